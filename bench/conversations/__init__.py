"""Benchmarks that hold conversations: latency, interruption, soak, thinking."""
