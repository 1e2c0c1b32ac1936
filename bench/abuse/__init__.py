"""Attacks on a server, and what they leave behind."""
