"""The person's turns, from the first sound to the answer they are given."""
