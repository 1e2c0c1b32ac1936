"""The silence that a transport feeds to the agent while its client sends nothing. Pure."""

from audio.pcm import INPUT_RATE

PATIENCE_S = 0.3
"""Gaps up to this length are network jitter: the audio is still on its way."""
STEP_S = 0.1
"""Silence is fed in whole steps of this length."""

_STEP = round(STEP_S * INPUT_RATE)


class Standstill:
    """Detects waits of at most `STEP_S` during which the whole process was suspended or starved.

    Audio that arrived meanwhile is still unread in the sockets, and the timer fires first, so nothing may be concluded
    from such a wait. The wait after it counts, however long it takes: otherwise the clock of a process that is always
    late would stop.
    """

    def __init__(self) -> None:
        self._was = False

    def during(self, since: float, now: float) -> bool:
        """Whether the process stood still during a wait from `since` to `now`, in seconds."""
        self._was = not self._was and now - since > 2 * STEP_S
        return self._was


class IdleClock:
    """Advances a conversation's sample clock by the wall clock while no audio arrives. Callers pass the time.

    Silence fills the gap since the last audio, and no more. If the audio was only late, it fills the gap a second
    time; that much is withheld from the silence of later gaps, so that the sample clock does not run ahead of the wall
    clock. A client that sends faster than real time is free to do so.
    """

    def __init__(self, now: float) -> None:
        self._last = now
        """When audio last arrived, in seconds."""
        self._fed = 0
        """Samples of silence fed since then."""
        self._ahead = 0
        """Samples of silence whose time late audio has filled again."""

    def received(self, now: float, samples: int) -> None:
        """Note that `samples` samples of audio, at 16 kHz, arrived."""
        unfilled = self._elapsed(now) - self._fed
        self._ahead = max(0, self._ahead + min(self._fed, samples - unfilled))
        self.restart(now)

    def restart(self, now: float) -> None:
        """Count from `now`: no silence is due for the time before."""
        self._last = now
        self._fed = 0

    def due(self, now: float) -> int:
        """Samples of silence to feed now. They count as fed."""
        elapsed = self._elapsed(now)
        if elapsed < PATIENCE_S * INPUT_RATE:
            return 0
        owed = max(0, elapsed - self._ahead - self._fed) // _STEP * _STEP
        self._fed += owed
        return owed

    def _elapsed(self, now: float) -> int:
        return round((now - self._last) * INPUT_RATE)
