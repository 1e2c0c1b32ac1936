"""Mono audio samples: their type, the agent's input rate, and silence."""

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.float32]
"""Mono samples in [-1, 1], shape (n,)."""

INPUT_RATE = 16_000
"""Sample rate, in Hz, of all audio that enters the agent. The conversation's clock counts these samples."""


def silence(samples: int) -> Pcm:
    """`samples` samples of digital silence."""
    return np.zeros(samples, dtype=np.float32)
