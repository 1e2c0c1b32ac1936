"""Questions whose answers lie in the sound, true by construction, and questions of text."""
