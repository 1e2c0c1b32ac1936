"""Decoders that run in this process on PyTorch."""
