"""Benchmarks of recognizers and voices."""
