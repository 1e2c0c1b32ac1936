"""How busy a server is, by what was measured: it takes no further session while those that it has must wait. Pure."""

from collections import deque
from collections.abc import Callable
from statistics import median
from time import monotonic

from pipeline.runtime.timeline import Timeline
from realtime.sessions.observer import Client, Observer

LAG_WINDOW_S = 10.0
PACKET_WINDOW_S = 60.0
_FEWEST = 4
"""Measurements that say something about the load, and not about one answer."""


class Load(Observer):
    """The lag of the event loop in the last seconds, and the first packets of the last minute.

    A server without sessions always takes one, whatever it measured last.
    """

    def __init__(
        self, longest_lag_s: float, longest_first_packet_s: float, clock: Callable[[], float] = monotonic
    ) -> None:
        """Both limits are medians, and 0 is none. `clock`: the time in seconds.

        `longest_lag_s`: how late the event loop may be. `longest_first_packet_s`: from the end of speech to the first
        audio of the answer.
        """
        self._longest_lag_s = longest_lag_s
        self._longest_first_packet_s = longest_first_packet_s
        self._clock = clock
        self._lags: deque[tuple[float, float]] = deque(maxlen=200)
        self._packets: deque[tuple[float, float]] = deque(maxlen=200)

    def lagged(self, seconds: float) -> None:
        """Note by how much the loop ran a timer too late."""
        self._lags.append((self._clock(), seconds))

    def overload(self) -> str | None:
        """What makes it wrong to take another session, as a sentence; None if nothing does."""
        now = self._clock()
        lag = _median_since(now - LAG_WINDOW_S, self._lags)
        if self._longest_lag_s and lag is not None and lag > self._longest_lag_s:
            return f"The server is busy: its event loop is {lag * 1000:.0f} ms late."
        first_packet = _median_since(now - PACKET_WINDOW_S, self._packets)
        if self._longest_first_packet_s and first_packet is not None and first_packet > self._longest_first_packet_s:
            return f"The server is busy: answers begin after {first_packet:.1f} s."
        return None

    def delivered(self, client: Client, timeline: Timeline) -> None:
        seconds = timeline.since_speech_ended().get("first_packet")
        if timeline.speech_ended is not None and seconds is not None:
            self._packets.append((self._clock(), seconds))


def _median_since(start: float, measured: deque[tuple[float, float]]) -> float | None:
    recent = [value for at, value in measured if at >= start]
    return median(recent) if len(recent) >= _FEWEST else None
