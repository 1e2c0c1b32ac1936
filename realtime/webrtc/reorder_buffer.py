"""A reorder buffer: RTP packets in the order in which they were sent, without delay where none is needed. Pure."""

from dataclasses import dataclass, field

WAIT_S = 0.06
"""Longest wait for a packet that others have overtaken. A packet that comes later counts as lost."""
_MAX_PACKETS = 50
"""Most packets held back. A larger step in the sequence numbers means that the sender has begun a new sequence."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The fields of an RTP packet (RFC 3550) that decide where its audio belongs, and its payload."""

    ssrc: int
    sequence_number: int
    """16 bits; one more than the packet's before."""
    timestamp: int
    """32 bits, in units of 1/48,000 s."""
    payload: bytes


@dataclass(slots=True)
class ReorderBuffer:
    """Passes packets on in the order of their sequence numbers.

    A packet that arrives in order passes at once. This is no jitter buffer: unlike a loudspeaker, an agent does not
    need audio at an even pace. Callers pass the time, in seconds.
    """

    _ssrc: int | None = None
    _next: int = 0
    _held: dict[int, tuple[float, Packet]] = field(default_factory=dict)
    """Time of arrival and packet, by sequence number."""

    @property
    def waiting(self) -> bool:
        """Whether packets are held back, so that `push` or `due` must be called again soon."""
        return bool(self._held)

    def push(self, packet: Packet, now: float) -> list[Packet]:
        """Take a packet; returns the packets that are in order now, the oldest first."""
        ahead = _distance(self._next, packet.sequence_number)
        if packet.ssrc != self._ssrc or abs(ahead) > _MAX_PACKETS:
            passed = [held for _, held in self._ordered()]
            self._held.clear()
            self._ssrc, self._next = packet.ssrc, (packet.sequence_number + 1) % 2**16
            return [*passed, packet]
        if ahead >= 0:
            self._held.setdefault(packet.sequence_number, (now, packet))
        return self.due(now)

    def due(self, now: float) -> list[Packet]:
        """The packets that are in order, and those after a gap that has lasted for `WAIT_S`."""
        passed: list[Packet] = []
        for arrived, packet in self._ordered():
            if packet.sequence_number != self._next and now - arrived < WAIT_S:
                break
            passed.append(packet)
            del self._held[packet.sequence_number]
            self._next = (packet.sequence_number + 1) % 2**16
        return passed

    def _ordered(self) -> list[tuple[float, Packet]]:
        return sorted(self._held.values(), key=lambda held: _distance(self._next, held[1].sequence_number))


def _distance(start: int, number: int) -> int:
    """How far sequence number `number` is ahead of `start`: -32768 to 32767, where 0 follows 65535."""
    return (number - start + 2**15) % 2**16 - 2**15
