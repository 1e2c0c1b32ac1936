"""When silence has lasted so long that something has to be said. Pure."""

from collections.abc import Sequence


class Patience:
    """One wait: returns its phrases one after the other, each when the silence before it has lasted long enough."""

    def __init__(self, first: int, again: int, phrases: Sequence[str]) -> None:
        """`first`, `again`: samples of silence until the first of `phrases`, and until each later one.

        A `first` of 0 means never. After the last phrase nothing more is said.
        """
        self._first = first
        self._again = again
        self._phrases = list(phrases) if first else []
        self._said = 0

    @property
    def begun(self) -> bool:
        """Whether one of them was returned or skipped."""
        return self._said > 0

    def skip(self) -> None:
        """The first phrase is not needed: something like it was said."""
        if self._said == 0:
            self._said = 1

    def due(self, silent: int) -> str:
        """What to say now that there has been silence for `silent` samples; "": nothing yet."""
        if self._said >= len(self._phrases) or silent < (self._again if self._said else self._first):
            return ""
        self._said += 1
        return self._phrases[self._said - 1]
