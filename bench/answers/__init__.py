"""Answers of the whole agent to questions that rules can check."""
