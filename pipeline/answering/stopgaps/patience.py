"""When silence has lasted so long that something has to be said. Pure."""

from collections.abc import Sequence

from audio.pcm import INPUT_RATE
from pipeline.settings import StopgapSettings
from pipeline.thinking.schedule import Mode


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


def patience_with_answer(waits: StopgapSettings, mode: Mode) -> Patience:
    """The wait for the first words of an answer. It is announced sooner if the model thinks before it speaks."""
    thinks_first = mode in ("before", "think_first")
    first_s, first = (waits.thought_s, waits.thoughtful) if thinks_first else (waits.model_s, waits.thinking)
    return Patience(round(first_s * INPUT_RATE), round(waits.again_s * INPUT_RATE), (first, *waits.again))
