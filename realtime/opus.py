"""Opus as WebRTC carries it, through FFmpeg's libopus: mono, blocks of 20 ms."""

from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from pipeline.audio import INPUT_RATE, silence
from tts.synthesizer import Pcm

RTP_RATE = 48_000
"""Ticks a second of the time stamps, whatever rate the sound has."""

_BITS_A_SECOND = 32_000
"""Speech is transparent at that, and a block fits one packet with the last one's copy in it."""
_LOSS_PERCENT = "10"
"""What the encoder prepares for: each packet carries a coarse copy of the one before it."""


class OpusEncoder:
    """Blocks of 20 ms at 8, 16 or 24 kHz to packets. Opus takes these rates as they are; it looks 6.5 ms ahead."""

    def __init__(self, rate: int) -> None:
        codec = AudioCodecContext.create("libopus", "w")
        codec.sample_rate = rate
        codec.layout = "mono"
        codec.format = "flt"
        codec.bit_rate = _BITS_A_SECOND
        codec.time_base = Fraction(1, rate)
        codec.options = {"application": "voip", "frame_duration": "20", "fec": "1", "packet_loss": _LOSS_PERCENT}
        self._codec = codec
        self.rate = rate

    def encode(self, pcm: Pcm) -> bytes:
        frame = av.AudioFrame.from_ndarray(np.clip(pcm, -1, 1)[None], format="flt", layout="mono")
        frame.sample_rate = self.rate
        [packet] = self._codec.encode(frame)
        return bytes(packet)


class OpusDecoder:
    """Packets to float32 mono at 16 kHz, 1 ms late."""

    def __init__(self) -> None:
        codec = AudioCodecContext.create("libopus", "r")
        codec.layout = "mono"
        codec.sample_rate = RTP_RATE
        self._codec = codec
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=INPUT_RATE)
        # Its filter is filled with silence first, so that as much comes out as goes in.
        filling = av.AudioFrame.from_ndarray(np.zeros((1, RTP_RATE // 1000), np.int16), format="s16", layout="mono")
        filling.sample_rate = RTP_RATE
        self._resampler.resample(filling)

    def decode(self, payload: bytes) -> Pcm:
        """Raises `av.FFmpegError` for what is no Opus."""
        if not payload:
            return silence(0)  # FFmpeg would take it for the end of the stream
        pieces = [
            resampled.to_ndarray()[0]
            for frame in self._codec.decode(av.Packet(payload))
            for resampled in self._resampler.resample(frame)
        ]
        return np.concatenate(pieces) if pieces else silence(0)
