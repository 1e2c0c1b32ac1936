"""Decoders: what was said so far in, the answer out."""
