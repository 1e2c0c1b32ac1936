"""The error that a task group hides."""

from audio.errors import PlainError, first_error


def test_the_first_error_of_nested_groups() -> None:
    first = PlainError("no microphone")
    nested = ExceptionGroup("outer", [ExceptionGroup("inner", [first, ValueError("later")]), KeyError("last")])
    assert first_error(nested) is first
    assert first_error(first) is first
