"""How far production of an answer's speech is ahead of its listener. Pure."""

from collections.abc import Callable

from pipeline.answering.output_items import OutputItems

_WORD_S = 0.4
"""About what a word takes to say, until it is known."""


class SpeechLead:
    """Counts what is written and made of an answer and not yet played."""

    def __init__(self, items: OutputItems, played: Callable[[], int]) -> None:
        """`played` returns the samples of the answer that were played."""
        self._items = items
        self._played = played
        self._words = 0

    def write(self, words: int) -> None:
        """So many more words are written."""
        self._words += words

    def make(self, words: int) -> None:
        """So many of them have become audio."""
        self._words -= words

    def made_s(self) -> float:
        """Seconds of audio that are made and not yet played."""
        return (self._items.made - self._played()) / self._items.rate

    def seconds(self) -> float:
        """Seconds of speech that are written and not yet played."""
        return self.made_s() + self._words * _WORD_S
