"""Encoders whose embeddings an audio-native decoder reads instead of text."""
