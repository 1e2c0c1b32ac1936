"""Where a voice that paused plays on: at the beginning of the word that it broke off. Pure."""

from collections.abc import Iterable

LONGEST_S = 1.0
"""Audio that is played twice at most. A longer word, such as a number, is continued where it stopped."""


def word_start(words: Iterable[tuple[int, int]], played: int, rate: int) -> int:
    """The first sample of the word that is being spoken at the sample `played`; between words, `played` itself.

    `words`: first sample and end of each, at `rate` Hz.
    """
    broken_off = (start for start, end in words if start < played < end)
    start = next(broken_off, played)
    return start if played - start <= LONGEST_S * rate else played
