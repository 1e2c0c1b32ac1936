"""WebRTC: calls, RTP, Opus and the data channel."""
