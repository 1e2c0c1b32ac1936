"""Access to a call's RTP packets before aiortc buffers and decodes them."""

import asyncio

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from realtime.webrtc.reorder_buffer import Packet

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"


def tap(receiver: RTCRtpReceiver, packets: asyncio.Queue[Packet]) -> None:
    """Pass the packets that `receiver` gets to `packets`; they are dropped while that queue is full.

    aiortc's own jitter buffer delays audio by 80 ms and, from the first lost packet to the end of the call, by 320 ms.
    Replacing that private attribute is the only way around it. Raises `RuntimeError` if it does not exist.
    """
    if not isinstance(getattr(receiver, _JITTER_BUFFER, None), JitterBuffer):
        raise RuntimeError("aiortc keeps its jitter buffer elsewhere than version 1.16 does")
    setattr(receiver, _JITTER_BUFFER, _Tap(packets))


class _Tap(JitterBuffer):
    """A jitter buffer that passes packets on and never has a frame ready, so that aiortc decodes none."""

    def __init__(self, packets: asyncio.Queue[Packet]) -> None:
        super().__init__(capacity=1)
        self._to = packets

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        if not self._to.full():
            self._to.put_nowait(Packet(packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload))
        return False, None
