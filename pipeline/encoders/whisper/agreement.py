"""Which words of a changing hypothesis are final: those on which three passes in a row agree."""

from collections import deque
from collections.abc import Collection, Sequence
from itertools import chain

Unit = tuple[int, ...]
"""One word as its tokens, punctuation included."""
UNSPACED = ("<|zh|>", "<|ja|>", "<|th|>", "<|lo|>", "<|my|>", "<|yue|>")
"""Languages written without spaces, where each whole character counts as a word."""

PASSES = 3
"""A quarter of a second apart, two passes make the same mistake more often than half a second apart; three do as well
as those."""
NEWEST = 2
"""Words at the end that are never final, however often they were recognized: their audio may be incomplete."""


class Agreement:
    """Commits the words on which the last hypotheses agree: LocalAgreement-3.

    The marks after the last committed word stay open: what is a comma while the next word is spoken may become the end
    of a sentence ("Mary finished before Robert, who" - "... Robert. Who came last?").

    Source: Liu et al., "Low-latency sequence-to-sequence speech recognition", Interspeech 2020.
    """

    def __init__(
        self, marks: Collection[int] = (), committed: Sequence[Unit] = (), previous: Sequence[Unit] = ()
    ) -> None:
        """`marks` are the tokens of such marks."""
        self.committed = tuple(committed)
        self._marks = marks
        self._last = deque([tuple(previous)], PASSES - 1)

    def update(self, hypothesis: Sequence[Unit]) -> None:
        """Take the next hypothesis, which must begin with the committed tokens."""
        agreed = min(common_prefix(earlier, hypothesis) for earlier in self._last)
        reliable = min(agreed, len(hypothesis) - NEWEST) if len(self._last) == PASSES - 1 else 0
        if reliable > len(self.committed):
            self.committed = self._without_last_marks(hypothesis[:reliable])
        self._last.append(tuple(hypothesis))

    def _without_last_marks(self, units: Sequence[Unit]) -> tuple[Unit, ...]:
        *before, last = units
        word = last
        while word and word[-1] in self._marks:
            word = word[:-1]
        return (*before, word) if word else tuple(before)


def common_prefix(one: Sequence[Unit], other: Sequence[Unit]) -> int:
    """Number of equal words at the beginning."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def flat(units: Sequence[Unit]) -> tuple[int, ...]:
    """The tokens of words, in one sequence."""
    return tuple(chain.from_iterable(units))
