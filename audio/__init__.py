"""Samples, rates, buffers, playback and sound files: the ground floor, which imports no other package of ours."""
