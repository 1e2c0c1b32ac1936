"""Hearing the person: audio in, turn-taking decisions out. Knows no answers."""
