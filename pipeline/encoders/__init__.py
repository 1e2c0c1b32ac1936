"""Encoders: speech in, what a decoder can read out."""
