"""Opus as WebRTC carries it, through FFmpeg's libopus: mono, blocks of 20 ms."""

from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from audio.pcm import INPUT_RATE, Pcm, silence

RTP_RATE = 48_000
"""RTP timestamp units per second, whatever the sampling rate of the audio (RFC 7587)."""

_BITS_A_SECOND = 32_000
"""Speech is transparent at this rate, and a packet has room for the redundant copy of the one before it."""
_LOSS_PERCENT = "10"
"""Packet loss that the encoder prepares for, by in-band FEC."""


class OpusEncoder:
    """Encodes blocks of 20 ms at 8, 16 or 24 kHz, which Opus takes as they are. Its look-ahead is 6.5 ms."""

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
    """Decodes packets to float32 mono at 16 kHz, with a delay of 1 ms."""

    def __init__(self) -> None:
        codec = AudioCodecContext.create("libopus", "r")
        codec.layout = "mono"
        codec.sample_rate = RTP_RATE
        self._codec = codec
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=INPUT_RATE)
        # Its filter is primed with silence, so that it returns as many samples as it is given.
        filling = av.AudioFrame.from_ndarray(np.zeros((1, RTP_RATE // 1000), np.int16), format="s16", layout="mono")
        filling.sample_rate = RTP_RATE
        self._resampler.resample(filling)

    def decode(self, payload: bytes) -> Pcm:
        """Raises `av.FFmpegError` if `payload` is not an Opus packet."""
        if not payload:
            return silence(0)  # FFmpeg would treat it as the end of the stream
        pieces = [
            resampled.to_ndarray()[0]
            for frame in self._codec.decode(av.Packet(payload))
            for resampled in self._resampler.resample(frame)
        ]
        return np.concatenate(pieces) if pieces else silence(0)
