"""Benchmarks. Each prints a table and, on request, writes JSON and a picture."""
