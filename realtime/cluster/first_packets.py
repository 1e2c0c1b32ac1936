"""How soon the answers of one replica began, lately."""

from collections import deque
from collections.abc import Callable
from statistics import quantiles
from time import monotonic

from pipeline.runtime.timeline import Timeline
from realtime.sessions.observer import Client, Observer

_ANSWERS = 50
_WINDOW_S = 60.0
"""Older answers say nothing about now."""


class FirstPackets(Observer):
    """Observes the times from the end of speech to the first packet, of the last answers."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """`clock`: the time in seconds."""
        self._clock = clock
        self._waits: deque[tuple[float, float]] = deque(maxlen=_ANSWERS)
        """When each was measured, and its seconds."""

    def delivered(self, client: Client, timeline: Timeline) -> None:
        if timeline.first_packet is not None and timeline.speech_ended is not None:
            self._waits.append((self._clock(), timeline.first_packet - timeline.speech_ended))

    @property
    def slow_s(self) -> float:
        """The time within which nine of ten answers began; 0 without answers."""
        since = self._clock() - _WINDOW_S
        waits = [wait for at, wait in self._waits if at >= since]
        return quantiles(waits, n=10, method="inclusive")[-1] if len(waits) > 1 else sum(waits)
