"""Scripted callers: over a WebSocket, over WebRTC, in a browser, over a network that loses packets."""
