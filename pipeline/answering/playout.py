"""What has been played of one answer, sample by sample, by the conversation's clock. Pure."""

from collections.abc import Callable

from audio.pcm import INPUT_RATE


class Playout:
    """Counts what the listener has played: as the player has `reported`, or else by the input received since.

    The listener plays at the output rate from the first sample sent, and waits while it is held or nothing is left.
    Times are input samples at 16 kHz and never run backwards; audio is counted in samples of `rate`, and runs backwards
    by `rewind` alone.
    """

    def __init__(self, rate: int, reported: Callable[[], int | None] = lambda: None) -> None:
        self._rate = rate
        self._reported = reported
        self._sent = 0
        self._played_ticks = 0
        """Samples played, times INPUT_RATE, so that no fraction is lost."""
        self._at = 0
        self._held: int | None = None
        """The time from which on it is held."""

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
        """Nothing is played from the time `at` on, until `resume`."""
        self._advance(at)
        self._held = at

    def resume(self, at: int) -> None:
        """Play on from the time `at`, with what would have come next when it was held."""
        if self._held is not None:
            self._at += at - self._held
            self._held = None

    def rewind(self, to: int) -> None:
        """What follows the sample `to` is played again. A player that reports does this by itself."""
        self._played_ticks = min(self._played_ticks, to * INPUT_RATE)

    def played(self, at: int) -> int:
        """Samples played by the time `at`."""
        if (reported := self._reported()) is not None:
            return min(reported, self._sent)
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
