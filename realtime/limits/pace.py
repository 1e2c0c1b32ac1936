"""The pace of one connection: events, bytes and audio faster than real time are slowed down, not refused. Pure."""

from dataclasses import dataclass

BURST_S = 10.0
"""Seconds of events and bytes at the full rate that may arrive at once: the history of a conversation, for example."""
AUDIO_BURST_S = 300.0
"""Seconds of audio that may arrive at once: the longest append."""


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """What one connection may send in the long run."""

    events_per_second: float = 200
    """A client that cuts its audio into pieces of 10 ms sends 100."""
    bytes_per_second: float = 2 * 2**20
    """pcm16 at 24 kHz, in base64, takes 64 KiB."""
    audio_speed: float = 20
    """Seconds of audio in a second."""


class Pace:
    """Token buckets for the events, the bytes and the audio of one connection. Callers pass the time, in seconds."""

    def __init__(self, limits: PaceLimits, largest_event_bytes: int, now: float) -> None:
        """`largest_event_bytes`: an event of this size may always be sent at once."""
        self._events = _Bucket(limits.events_per_second, limits.events_per_second * BURST_S, now)
        most_bytes = max(limits.bytes_per_second * BURST_S, 2 * largest_event_bytes)
        self._bytes = _Bucket(limits.bytes_per_second, most_bytes, now)
        self._audio = _Bucket(limits.audio_speed, AUDIO_BURST_S, now)

    def event(self, length: int, now: float) -> float:
        """Count an event of `length` bytes; returns the seconds to wait before it is carried out."""
        return max(self._events.take(1, now), self._bytes.take(length, now))

    def audio(self, seconds: float, now: float) -> float:
        """Count so many seconds of audio; returns the seconds to wait before they are passed on."""
        return self._audio.take(seconds, now)


class _Bucket:
    """Fills at a constant rate. What is taken beyond its content has to be waited for."""

    def __init__(self, rate: float, size: float, now: float) -> None:
        self._rate = rate
        self._size = size
        self._content = size
        self._at = now

    def take(self, amount: float, now: float) -> float:
        self._content = min(self._size, self._content + (now - self._at) * self._rate) - amount
        self._at = now
        return max(0.0, -self._content / self._rate)
