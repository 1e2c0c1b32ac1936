"""Audio formats of the wire, pcm16 and G.711, converted to and from float samples."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audio.pcm import INPUT_RATE, Pcm
from audio.pcm16 import decode_pcm16, encode_pcm16, from_int16, to_int16
from audio.resampler import Resampler

Encoding = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]

WIRE_RATE = 24_000
"""Hz of pcm16 audio, in both directions, unless a session asks for another format."""

PCM_RATES = (WIRE_RATE, 16_000, 8_000)
"""Sample rates of pcm16 on the wire, in Hz. The protocol defines only the first."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """An encoding of mono audio and its sample rate."""

    encoding: Encoding = "audio/pcm"
    """pcm16 (little endian), G.711 μ-law or G.711 A-law."""
    rate: int = WIRE_RATE
    """Hz; 8000 for G.711."""

    @property
    def sample_bytes(self) -> int:
        return 2 if self.encoding == "audio/pcm" else 1

    def decode(self, data: bytes) -> Pcm:
        """Samples at `rate`. Raises `ValueError` if `data` ends within a sample."""
        match self.encoding:
            case "audio/pcm":
                return decode_pcm16(data)
            case "audio/pcmu":
                return from_int16(_ULAW_DECODED[np.frombuffer(data, dtype=np.uint8)])
            case "audio/pcma":
                return from_int16(_ALAW_DECODED[np.frombuffer(data, dtype=np.uint8)])

    def encode(self, pcm: Pcm) -> bytes:
        """Bytes for samples at `rate`. Samples outside [-1, 1] are clipped."""
        match self.encoding:
            case "audio/pcm":
                return encode_pcm16(pcm)
            case "audio/pcmu":
                return bytes(_ULAW_ENCODED[to_int16(pcm).view(np.uint16)])
            case "audio/pcma":
                return bytes(_ALAW_ENCODED[to_int16(pcm).view(np.uint16)])


class InputDecoder:
    """Decodes one client's audio stream to float32 at 16 kHz, without seams between appends."""

    def __init__(self, wire: AudioFormat) -> None:
        self.wire = wire
        self._resampler = Resampler(wire.rate, INPUT_RATE)

    def push(self, data: bytes) -> Pcm:
        """The next samples at 16 kHz. Raises `ValueError` if `data` ends within a sample."""
        return self._resampler.push(self.wire.decode(data))


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
    """Codes, indexed by the bits of an int16 sample."""
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum((np.where(sample < 0, ~sample, sample) >> 2) + 33, 0x1FFF)
    segment = np.log2(magnitude).astype(np.int32) - 5
    code = segment << 4 | magnitude >> segment + 1 & 15
    inverted: NDArray[np.uint8] = (~np.where(sample < 0, code | 0x80, code) & 0xFF).astype(np.uint8)
    return inverted


def _alaw_encoded() -> NDArray[np.uint8]:
    """Codes, indexed by the bits of an int16 sample."""
    sample = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(sample < 0, ~sample, sample) >> 4
    segment = np.maximum(np.log2(np.maximum(magnitude, 1)).astype(np.int32) - 3, 0)
    code = segment << 4 | magnitude >> np.maximum(segment - 1, 0) & 15
    inverted: NDArray[np.uint8] = (np.where(sample < 0, code, code | 0x80) ^ 0x55).astype(np.uint8)
    return inverted


_ULAW_DECODED, _ALAW_DECODED = _ulaw_decoded(), _alaw_decoded()
_ULAW_ENCODED, _ALAW_ENCODED = _ulaw_encoded(), _alaw_encoded()
