"""Packets in the order in which they were sent, as soon as that is known. Pure; it is told the time."""

from dataclasses import dataclass, field

WAIT_S = 0.06
"""For a packet that others have overtaken. What comes later still counts as lost."""
_MOST = 50
"""Packets that are held back at a time; the sender's numbers have jumped if it takes more."""


@dataclass(frozen=True, slots=True)
class Packet:
    """What an RTP packet (RFC 3550) says of its place, and its payload."""

    source: int
    number: int
    """16 bits; each packet's is one higher than the last one's."""
    timestamp: int
    """32 bits, in ticks of 48 kHz."""
    payload: bytes


@dataclass(slots=True)
class Reordering:
    """A packet in order passes at once: unlike a loudspeaker, an agent needs no even pace, and so no jitter buffer."""

    _source: int | None = None
    _next: int = 0
    _held: dict[int, tuple[float, Packet]] = field(default_factory=dict)
    """By number, with the time of arrival."""

    @property
    def waiting(self) -> bool:
        """Whether packets are held back, so that `push` or `due` must be called again soon."""
        return bool(self._held)

    def push(self, packet: Packet, now: float) -> list[Packet]:
        """Take a packet; gives those that are in order now, the oldest first."""
        ahead = _distance(self._next, packet.number)
        if packet.source != self._source or abs(ahead) > _MOST:
            passed = [held for _, held in self._ordered()]
            self._held.clear()
            self._source, self._next = packet.source, (packet.number + 1) % 2**16
            return [*passed, packet]
        if ahead >= 0:
            self._held.setdefault(packet.number, (now, packet))
        return self.due(now)

    def due(self, now: float) -> list[Packet]:
        """Those that are in order, and those behind a gap that was waited for long enough."""
        passed: list[Packet] = []
        for arrived, packet in self._ordered():
            if packet.number != self._next and now - arrived < WAIT_S:
                break
            passed.append(packet)
            del self._held[packet.number]
            self._next = (packet.number + 1) % 2**16
        return passed

    def _ordered(self) -> list[tuple[float, Packet]]:
        return sorted(self._held.values(), key=lambda held: _distance(self._next, held[1].number))


def _distance(start: int, number: int) -> int:
    """How far `number` is ahead of `start`, -32768 to 32767, where 65535 is followed by 0."""
    return (number - start + 2**15) % 2**16 - 2**15
