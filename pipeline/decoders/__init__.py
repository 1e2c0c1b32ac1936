"""Decoders: language models, from the conversation so far to the answer."""
