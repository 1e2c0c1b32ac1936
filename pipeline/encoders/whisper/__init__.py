"""Streaming recognition with Whisper, while the person is still speaking."""
