"""Voices: text in, speech with word times out. Knows nothing of conversations."""
