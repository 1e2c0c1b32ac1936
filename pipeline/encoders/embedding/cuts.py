"""Where audio that is too long for a model is cut."""

import numpy as np

from audio.pcm import INPUT_RATE, Pcm

_HOP = INPUT_RATE // 100
_GAP = INPUT_RATE // 5
"""Samples of the silence to find: 200 ms, the shortest pause between words."""


def quietest(pcm: Pcm, earliest: int) -> int:
    """The middle sample of the quietest 200 ms of `pcm` after the sample `earliest`.

    `pcm`: float32, mono, 16 kHz.
    """
    loudness = np.concatenate(([0.0], np.cumsum(np.square(pcm[earliest:], dtype=np.float64))))
    starts = np.arange(0, max(len(loudness) - _GAP, 1), _HOP)
    gaps = loudness[np.minimum(starts + _GAP, len(loudness) - 1)] - loudness[starts]
    # The last one of equals: a longer clip is worth more than an early cut.
    best = len(gaps) - 1 - int(gaps[::-1].argmin())
    return min(earliest + int(starts[best]) + _GAP // 2, len(pcm))
