"""The track that carries an agent's voice: one RTP packet every 20 ms."""

import asyncio
import math
from collections.abc import Callable
from fractions import Fraction

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import Packet
from av.stream import Stream

from audio.playback import Block
from realtime.webrtc.opus import RTP_RATE, OpusEncoder
from realtime.webrtc.voice_output import BLOCKS_A_SECOND, VoiceOutput

_MAX_LATE_S = 0.06
"""Audio that would be later than this is better left out."""


class PacketClock:
    """Schedules blocks of 20 ms by absolute deadlines, so that delays do not add up. Callers pass the time.

    Blocks that are up to `max_late_s` late are sent at once; a longer stall leaves a gap in the block numbers.
    """

    def __init__(self, max_late_s: float = _MAX_LATE_S) -> None:
        self._max_late_s = max_late_s
        self._origin: float | None = None
        self._next = 0

    def next(self, now: float) -> tuple[int, float]:
        """The number of the next block, and the seconds until it is due (0 if it is late)."""
        if self._origin is None:
            self._origin = now
        late_s = now - self._origin - self._next / BLOCKS_A_SECOND
        if late_s > self._max_late_s:
            self._next += math.floor(late_s * BLOCKS_A_SECOND)
        block, self._next = self._next, self._next + 1
        return block, max(0.0, self._origin + block / BLOCKS_A_SECOND - now)


class VoiceTrack(MediaStreamTrack):
    """Sends the voice output, or silence. Calls `report` with each block in which an answer begins or ends."""

    kind = "audio"

    def __init__(self, output: VoiceOutput, report: Callable[[Block], None]) -> None:
        super().__init__()
        self._output = output
        self._report = report
        self._clock = PacketClock()
        self._encoder: OpusEncoder | None = None

    async def recv(self) -> "Packet[Stream]":
        """The next packet, when it is due. aiortc sends encoded packets unchanged."""
        if self.readyState != "live":
            raise MediaStreamError
        number, wait_s = self._clock.next(asyncio.get_running_loop().time())
        await asyncio.sleep(wait_s)
        block = self._output.next_block()
        if self._encoder is None or block.rate != self._encoder.rate:
            self._encoder = OpusEncoder(block.rate)
        packet = Packet(self._encoder.encode(block.pcm))
        packet.pts = number * RTP_RATE // BLOCKS_A_SECOND
        packet.time_base = Fraction(1, RTP_RATE)
        if block.began or block.ended:
            self._report(block)
        return packet
