"""The agent: audio in, audio out. Knows no network and no protocol."""
