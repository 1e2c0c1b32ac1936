"""Which words of a rolling hypothesis can be relied on: those that two looks in a row agree on."""

from collections.abc import Sequence

Unit = tuple[int, ...]
"""One word as its tokens, punctuation included."""


NEWEST = 2
"""Words at the end that are never relied on, however often they were seen: their sound may not be over yet."""


class Agreement:
    """LocalAgreement-2 (Liu et al., Interspeech 2020, "Low-latency sequence-to-sequence speech
    recognition")."""

    def __init__(self, committed: Sequence[Unit] = (), previous: Sequence[Unit] = ()) -> None:
        self.committed = tuple(committed)
        self._previous = tuple(previous)

    def update(self, hypothesis: Sequence[Unit]) -> None:
        """Take the next hypothesis, which begins with the committed words."""
        agreed = common_prefix(self._previous, hypothesis)
        reliable = min(agreed, len(hypothesis) - NEWEST)
        if reliable > len(self.committed):
            self.committed = tuple(hypothesis[:reliable])
        self._previous = tuple(hypothesis)


def common_prefix(one: Sequence[Unit], other: Sequence[Unit]) -> int:
    """How many words are the same from the start."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
