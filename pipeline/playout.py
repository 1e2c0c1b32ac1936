"""What has been played of one answer, sample by sample, by the conversation's clock. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.audio import INPUT_RATE


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of an answer and the output sample at which its sound ends."""

    text: str
    end: int


def heard(words: Iterable[SpokenWord], played: int) -> str:
    """The words whose sound was complete when `played` samples had been played."""
    return " ".join(word.text for word in words if word.end <= played)


class Playout:
    """The listener's side of one answer: as `told` by who plays it, else reckoned from the input that came in since.

    The listener plays at the output rate from the first sample sent; when nothing is left to play, it waits, and while
    it is held. Times are input samples at 16 kHz and never run backwards; audio is counted in samples of `rate`.
    """

    def __init__(self, rate: int, told: Callable[[], int | None] = lambda: None) -> None:
        self._rate = rate
        self._told = told
        self._sent = 0
        self._played_ticks = 0
        """Samples played, times INPUT_RATE, so that no fraction is lost."""
        self._at = 0
        self._held: int | None = None
        """Since when it is held."""

    @property
    def sent(self) -> int:
        return self._sent

    def begin(self, at: int) -> None:
        """Nothing is played before the time `at`, when the answer before this one ends."""
        self._at = max(self._at, at)

    def send(self, samples: int, at: int) -> None:
        """`samples` more have left for the listener at the time `at`."""
        self._advance(at)
        self._sent += samples

    def hold(self, at: int) -> None:
        """Nothing is played from the time `at` on, until it goes on."""
        self._advance(at)
        self._held = at

    def go_on(self, at: int) -> None:
        """Play on from the time `at`, with what would have come next when it was held."""
        if self._held is not None:
            self._at += at - self._held
            self._held = None

    def played(self, at: int) -> int:
        """Samples played by the time `at`."""
        if (told := self._told()) is not None:
            return min(told, self._sent)
        self._advance(at)
        return self._played_ticks // INPUT_RATE

    def finished(self, at: int) -> bool:
        """Whether everything that was sent has been played."""
        return self.played(at) == self._sent

    def ends(self, at: int) -> int:
        """The time at which everything that was sent by the time `at` will have been played."""
        left = self._sent - self.played(at)
        return max(self._at, at) + -(-left * INPUT_RATE // self._rate)

    def _advance(self, at: int) -> None:
        if at <= self._at or self._held is not None:
            return
        elapsed = (at - self._at) * self._rate
        self._played_ticks = min(self._played_ticks + elapsed, self._sent * INPUT_RATE)
        self._at = at
