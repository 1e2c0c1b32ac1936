"""Benchmarks of encoder caches and of decoding on a GPU."""
