"""Errors that are meant for a person, and the error that a task group hides."""


class PlainError(Exception):
    """An error that its reader can mend. The message states what was wrong and what to do; no traceback is needed."""


def first_error(error: BaseException) -> BaseException:
    """The first exception in a group, however deeply groups are nested; `error` itself if it is not a group."""
    return first_error(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
