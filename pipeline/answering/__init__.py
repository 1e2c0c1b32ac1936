"""Giving answers: who has the floor, what is said, and what of it was played."""
