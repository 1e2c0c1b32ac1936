"""The pace of one client: events, their work, bytes and audio beyond real time are slowed down, not refused. Pure."""

from dataclasses import dataclass

from pipeline.runtime.fair_shares import FairShares

BURST_S = 10.0
"""Seconds of events and bytes at the full rate that may arrive at once: the history of a conversation, for example."""
AUDIO_BURST_S = 300.0
"""Seconds of audio that may arrive at once: the longest append."""
_ANSWERS_BURST_S = 1.5
"""Seconds of answers and the like at the full rate that may be asked for at once."""
_SHARES = 0.5
"""Shares of the cores from which a client gets no more than a conversation needs, while others are there."""
_TURNS_PER_SECOND = 0.4
"""Answers and the like that it may ask for then: a turn every five seconds, committed and answered by hand."""
_TURNS_AT_ONCE = 4
"""How many of them at once."""
_TALK_SPEED = 1.5
"""Seconds of audio in a second that it may send then: an ordinary client sends one, and catches up now and then."""
_TALK_BURST_S = 30.0
"""Seconds of audio that may arrive at once then."""
_WORK_SHARE = 0.05
"""Share of the event loop's time that reading a client's events may take. Audio in pieces of 10 ms takes 0.003."""
_WORK_BURST_S = 1.0
"""Seconds of that which may be used at once."""


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """What one session of a client may send in the long run."""

    events_per_second: float = 200
    """A client that cuts its audio into pieces of 10 ms sends 100."""
    bytes_per_second: float = 2 * 2**20
    """pcm16 at 24 kHz, in base64, takes 64 KiB."""
    audio_speed: float = 20
    """Seconds of audio in a second."""
    answers_per_second: float = 2
    """Answers, ends of turns, messages of audio and changes of settings: each makes models work. People talk in turns
    of seconds."""


class Pace:
    """Token buckets for what a client sends and asks for. Callers pass the time, in seconds."""

    def __init__(self, limits: PaceLimits, largest_event_bytes: int, now: float, cores: FairShares) -> None:
        """`largest_event_bytes`: an event of this size may always be sent at once. `cores`: who has used them."""
        self._cores = cores
        self._events = _Bucket(limits.events_per_second, limits.events_per_second * BURST_S, now)
        most_bytes = max(limits.bytes_per_second * BURST_S, 2 * largest_event_bytes)
        self._bytes = _Bucket(limits.bytes_per_second, most_bytes, now)
        self._audio = _Bucket(limits.audio_speed, AUDIO_BURST_S, now)
        self._work = _Bucket(_WORK_SHARE, _WORK_BURST_S, now)
        self._answers = _Bucket(limits.answers_per_second, limits.answers_per_second * _ANSWERS_BURST_S, now)
        self._turns = _Bucket(_TURNS_PER_SECOND, _TURNS_AT_ONCE, now)
        self._talk = _Bucket(_TALK_SPEED, _TALK_BURST_S, now)

    def event(self, length: int, now: float) -> float:
        """Count an event of `length` bytes; returns the seconds to wait before it is carried out."""
        return max(self._events.take(1, now), self._bytes.take(length, now), self._work.take(0, now))

    def answer(self, now: float) -> float:
        """Count a request for an answer, or the like; returns the seconds to wait before it is passed on."""
        return max(self._answers.take(1, now), self._turns.take(1, now) if self._is_heavy(now) else 0.0)

    def worked(self, seconds: float, now: float) -> None:
        """Count the time that the event loop worked for an event; the next one waits for it."""
        self._work.take(seconds, now)
        self._cores.note(self, seconds, now)

    def computed(self, seconds: float, now: float) -> None:
        """Count the time that models worked for it."""
        self._cores.note(self, seconds, now)

    def audio(self, seconds: float, now: float) -> float:
        """Count so many seconds of audio; returns the seconds to wait before they are passed on."""
        return max(self._audio.take(seconds, now), self._talk.take(seconds, now) if self._is_heavy(now) else 0.0)

    def _is_heavy(self, now: float) -> bool:
        """Whether the client uses more than a conversation does, while others are there."""
        return self in self._cores.beyond(_SHARES, now)


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
