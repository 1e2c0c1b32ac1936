"""The track that carries an agent's voice: one packet every 20 ms, by the clock."""

import asyncio
import math
from collections.abc import Callable
from fractions import Fraction

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import Packet
from av.stream import Stream

from realtime.opus import RTP_RATE, OpusEncoder
from realtime.outgoing import BLOCKS_A_SECOND, Block, Outgoing

_MOST_LATE_S = 0.06
"""Of a voice: what is said later than that is better left out."""


class Pace:
    """When the blocks of 20 ms are due: by absolute deadlines, so that nothing adds up. It is told the time.

    Blocks that are up to `most_late_s` late are caught up with at once; of a longer stall a gap remains.
    """

    def __init__(self, most_late_s: float = _MOST_LATE_S) -> None:
        self._most_late_s = most_late_s
        self._origin: float | None = None
        self._next = 0

    def next(self, now: float) -> tuple[int, float]:
        """The number of the next block, and the seconds until it is due; 0 for one that is late."""
        if self._origin is None:
            self._origin = now
        late_s = now - self._origin - self._next / BLOCKS_A_SECOND
        if late_s > self._most_late_s:
            self._next += math.floor(late_s * BLOCKS_A_SECOND)
        block, self._next = self._next, self._next + 1
        return block, max(0.0, self._origin + block / BLOCKS_A_SECOND - now)


class VoiceTrack(MediaStreamTrack):
    """Sends what is outgoing, or silence; `tell` hears of the blocks in which an answer begins or ends."""

    kind = "audio"

    def __init__(self, outgoing: Outgoing, tell: Callable[[Block], None]) -> None:
        super().__init__()
        self._outgoing = outgoing
        self._tell = tell
        self._pace = Pace()
        self._encoder = OpusEncoder(outgoing.rate)

    async def recv(self) -> "Packet[Stream]":
        """The next packet, when it is due. aiortc sends what is encoded already as it is."""
        if self.readyState != "live":
            raise MediaStreamError
        number, wait_s = self._pace.next(asyncio.get_running_loop().time())
        await asyncio.sleep(wait_s)
        block = self._outgoing.next_block()
        if block.rate != self._encoder.rate:
            self._encoder = OpusEncoder(block.rate)
        packet = Packet(self._encoder.encode(block.pcm))
        packet.pts = number * RTP_RATE // BLOCKS_A_SECOND
        packet.time_base = Fraction(1, RTP_RATE)
        if block.began or block.ended:
            self._tell(block)
        return packet
