"""How much silence a transport owes the agent while its client sends nothing."""

from pipeline.audio import INPUT_RATE

PATIENCE_S = 0.3
"""Gaps up to this are the network's; the audio is still on its way."""
STEP_S = 0.1
"""Silence is owed in whole steps."""

_STEP = round(STEP_S * INPUT_RATE)


class Standstill:
    """Tells waits of at most `STEP_S` during which the whole process stood still.

    What came meanwhile lies in the sockets, and a timer is heard before it is read: nobody knows yet what is missing.
    The next wait tells, however long it takes: time must go on where each is too long.
    """

    def __init__(self) -> None:
        self._was = False

    def during(self, since: float, now: float) -> bool:
        """Whether it was one, of a wait from `since` to `now`."""
        self._was = not self._was and now - since > 2 * STEP_S
        return self._was


class IdleClock:
    """Keeps a conversation's sample clock going by the wall clock when no audio comes. It is told the time.

    Silence fills the gap since the last audio, and is never more than that. Where the audio was only late,
    the gap is filled twice; that much is kept back from the silence of later gaps, so that the sample clock
    doesn't run away from the wall clock. Audio faster than real time is the client's own affair.
    """

    def __init__(self, now: float) -> None:
        self._last = now
        """When audio came last, in seconds."""
        self._fed = 0
        """Samples of silence since then."""
        self._ahead = 0
        """Samples of silence that late audio has filled again."""

    def heard(self, now: float, samples: int) -> None:
        """Audio of so many samples, at the agent's rate, came in."""
        unfilled = self._elapsed(now) - self._fed
        self._ahead = max(0, self._ahead + min(self._fed, samples - unfilled))
        self.restart(now)

    def restart(self, now: float) -> None:
        """Count from here: time before this is owed nothing."""
        self._last = now
        self._fed = 0

    def due(self, now: float) -> int:
        """Samples of silence to feed now; they count as fed."""
        elapsed = self._elapsed(now)
        if elapsed < PATIENCE_S * INPUT_RATE:
            return 0
        owed = max(0, elapsed - self._ahead - self._fed) // _STEP * _STEP
        self._fed += owed
        return owed

    def _elapsed(self, now: float) -> int:
        return round((now - self._last) * INPUT_RATE)
