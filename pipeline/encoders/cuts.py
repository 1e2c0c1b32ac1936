"""Where a sound that is too long for a model is cut in two."""

import numpy as np

from pipeline.audio import INPUT_RATE
from tts.synthesizer import Pcm

_HOP = INPUT_RATE // 100
_GAP = INPUT_RATE // 5
"""Length of the silence that is looked for: the shortest pause between words."""


def quietest(pcm: Pcm, earliest: int) -> int:
    """The sample in the middle of the quietest 200 ms behind `earliest`; depends on nothing that follows `pcm`."""
    loudness = np.concatenate(([0.0], np.cumsum(np.square(pcm[earliest:], dtype=np.float64))))
    starts = np.arange(0, max(len(loudness) - _GAP, 1), _HOP)
    gaps = loudness[np.minimum(starts + _GAP, len(loudness) - 1)] - loudness[starts]
    # The last of equals: a longer sound is worth more than an early cut.
    best = len(gaps) - 1 - int(gaps[::-1].argmin())
    return min(earliest + int(starts[best]) + _GAP // 2, len(pcm))
