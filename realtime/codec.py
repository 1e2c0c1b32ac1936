"""Audio as it stands on the wire: pcm16 and G.711, to and from float samples at the agent's rate."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from pipeline.audio import INPUT_RATE, Resampler
from tts.synthesizer import Pcm

Encoding = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]

PCM_RATES = (24_000, 16_000, 8_000)
"""Hz that pcm16 may have on the wire. The protocol knows only the first."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """An encoding of mono audio, named as the protocol names it."""

    encoding: Encoding = "audio/pcm"
    """pcm16 (little endian), G.711 μ-law or G.711 A-law."""
    rate: int = PCM_RATES[0]
    """Hz; 8000 for G.711."""

    @property
    def sample_bytes(self) -> int:
        return 2 if self.encoding == "audio/pcm" else 1

    def decode(self, data: bytes) -> Pcm:
        """Raises `ValueError` where `data` ends within a sample."""
        match self.encoding:
            case "audio/pcm":
                if len(data) % 2:
                    raise ValueError(f"pcm16 takes two bytes a sample, {len(data)} is odd")
                samples: NDArray[np.int16] = np.frombuffer(data, dtype="<i2")
            case "audio/pcmu":
                samples = _ULAW_DECODED[np.frombuffer(data, dtype=np.uint8)]
            case "audio/pcma":
                samples = _ALAW_DECODED[np.frombuffer(data, dtype=np.uint8)]
        return samples.astype(np.float32) / np.float32(32768)

    def encode(self, pcm: Pcm) -> bytes:
        """What lies outside [-1, 1] is clipped."""
        samples = np.clip(np.rint(pcm * np.float32(32768)), -32768, 32767).astype("<i2")
        match self.encoding:
            case "audio/pcm":
                return bytes(samples)
            case "audio/pcmu":
                return bytes(_ULAW_ENCODED[samples.view(np.uint16)])
            case "audio/pcma":
                return bytes(_ALAW_ENCODED[samples.view(np.uint16)])


class InputDecoder:
    """One client's audio stream, from the wire's format to float32 at 16 kHz, without seams between appends."""

    def __init__(self, wire: AudioFormat) -> None:
        self._format = wire
        self._resampler = Resampler(wire.rate, INPUT_RATE)

    def push(self, data: bytes) -> Pcm:
        """Raises `ValueError` where `data` ends within a sample."""
        return self._resampler.push(self._format.decode(data))


def decode_clip(wire: AudioFormat, data: bytes) -> Pcm:
    """A whole clip at 16 kHz. Raises `ValueError` where `data` ends within a sample."""
    pcm: Pcm = soxr.resample(wire.decode(data), wire.rate, INPUT_RATE)
    return pcm


# The tables of ITU-T G.711, as the reference software (ITU-T G.191) computes them: a sign, three bits of
# segment and four of mantissa, all 8 bits inverted (μ-law) or the even bits inverted (A-law).


def _ulaw_decoded() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    segment, mantissa = code >> 4 & 7, code & 15
    magnitude = ((mantissa << 3) + 132 << segment) - 132
    decoded: NDArray[np.int16] = np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)
    return decoded


def _alaw_decoded() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    segment, mantissa = code >> 4 & 7, code & 15
    step = np.where(segment > 0, (mantissa << 4) + 264, (mantissa << 4) + 8)
    magnitude = step << np.maximum(segment - 1, 0)
    decoded: NDArray[np.int16] = np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)
    return decoded


def _ulaw_encoded() -> NDArray[np.uint8]:
    """By the bits of an int16."""
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum((np.where(sample < 0, ~sample, sample) >> 2) + 33, 0x1FFF)
    segment = np.log2(magnitude).astype(np.int32) - 5
    code = segment << 4 | magnitude >> segment + 1 & 15
    inverted: NDArray[np.uint8] = (~np.where(sample < 0, code | 0x80, code) & 0xFF).astype(np.uint8)
    return inverted


def _alaw_encoded() -> NDArray[np.uint8]:
    """By the bits of an int16."""
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(sample < 0, ~sample, sample) >> 4
    segment = np.maximum(np.log2(np.maximum(magnitude, 1)).astype(np.int32) - 3, 0)
    code = segment << 4 | magnitude >> np.maximum(segment - 1, 0) & 15
    inverted: NDArray[np.uint8] = (np.where(sample < 0, code, code | 0x80) ^ 0x55).astype(np.uint8)
    return inverted


_ULAW_DECODED, _ALAW_DECODED = _ulaw_decoded(), _alaw_decoded()
_ULAW_ENCODED, _ALAW_ENCODED = _ulaw_encoded(), _alaw_encoded()
