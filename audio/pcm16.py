"""16-bit samples (pcm16): mono, signed, little-endian, as WAV files, sockets and G.711 tables take them.

A float of 1.0 corresponds to 32768, so that decoding and encoding again gives the same bytes.
"""

import io
import wave

import numpy as np
from numpy.typing import NDArray

from audio.pcm import Pcm

_SCALE = np.float32(32768)


def encode_pcm16(pcm: Pcm) -> bytes:
    """Two bytes a sample. Samples outside [-1, 1] are clipped."""
    return to_int16(pcm).tobytes()


def decode_pcm16(data: bytes) -> Pcm:
    """Samples in [-1, 1]. Raises `ValueError` if `data` ends within a sample."""
    if len(data) % 2:
        raise ValueError(f"pcm16 takes two bytes a sample, {len(data)} is odd")
    return from_int16(np.frombuffer(data, dtype="<i2"))


def wav_file(pcm: Pcm, rate: int) -> bytes:
    """The bytes of a WAV file of `pcm`, which is sampled at `rate` Hz: mono, 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(encode_pcm16(pcm))
    return file.getvalue()


def to_int16(pcm: Pcm) -> NDArray[np.int16]:
    """`pcm`, rounded to 16-bit integers. Samples outside [-1, 1] are clipped."""
    rounded: NDArray[np.int16] = np.clip(np.rint(pcm * _SCALE), -32768, 32767).astype("<i2")
    return rounded


def from_int16(samples: NDArray[np.int16]) -> Pcm:
    return samples.astype(np.float32) / _SCALE
