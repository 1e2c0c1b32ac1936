"""Ends of turns: by texts, and by spoken turns with pauses in them."""
