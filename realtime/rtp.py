"""A call's packets, before aiortc makes sound of them."""

import asyncio

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from realtime.reordering import Packet

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"


def tap(receiver: RTCRtpReceiver, packets: asyncio.Queue[Packet]) -> None:
    """Let what `receiver` gets go to `packets`; what finds them full is lost.

    aiortc's own jitter buffer holds audio back for 80 ms, and from the first lost packet on for 320 ms until the call
    ends. It has no other door than the name of that buffer.
    """
    if not isinstance(getattr(receiver, _JITTER_BUFFER, None), JitterBuffer):
        raise RuntimeError("aiortc keeps its jitter buffer elsewhere than version 1.16 does")
    setattr(receiver, _JITTER_BUFFER, _Tap(packets))


class _Tap(JitterBuffer):
    """In the jitter buffer's place: never has a frame ready, so that aiortc decodes none."""

    def __init__(self, packets: asyncio.Queue[Packet]) -> None:
        super().__init__(capacity=1)
        self._to = packets

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        if not self._to.full():
            self._to.put_nowait(Packet(packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload))
        return False, None
