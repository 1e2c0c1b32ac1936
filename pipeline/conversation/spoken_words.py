"""The words of an answer with their times, so that the played part is known word by word. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of an answer, and the output samples between which it is spoken."""

    text: str
    start: int
    end: int


def played_text(words: Iterable[SpokenWord], played: int) -> str:
    """The words whose audio was complete when `played` samples had been played, joined by spaces."""
    return " ".join(word.text for word in words if word.end <= played)
