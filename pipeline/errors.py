"""Errors that are meant for a person."""


class PlainError(Exception):
    """Something that whoever runs the program can mend: the message says what was wrong and what to do."""
