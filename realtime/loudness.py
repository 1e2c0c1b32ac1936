"""How loud a voice is played: full, ducked while somebody may be breaking in, or paused. Pure."""

from typing import Literal

import numpy as np

from pipeline.audio import silence
from tts.synthesizer import Pcm

Loudness = Literal["full", "ducked", "paused"]

_GAINS = {"full": 1.0, "ducked": 0.2, "paused": 0.0}
"""Ducked by 14 dB: low enough to speak over, loud enough to follow."""
_RAMP_S = 0.015
"""From silence to full. A jump of the volume clicks."""
FADE_S = 0.005
"""Of a voice that is cut short."""


class Volume:
    """Goes from one loudness to another without a jump."""

    def __init__(self) -> None:
        self.loudness: Loudness = "full"
        """What it is on the way to."""
        self._gain = 1.0

    def gains(self, samples: int, rate: int) -> Pcm:
        """What the next samples are to be multiplied with."""
        target = _GAINS[self.loudness]
        way = np.arange(1, samples + 1, dtype=np.float32) / np.float32(_RAMP_S * rate)
        gains = np.maximum(self._gain - way, target) if self._gain > target else np.minimum(self._gain + way, target)
        if samples:
            self._gain = float(gains[-1])
        found: Pcm = gains.astype(np.float32)
        return found

    def pause(self, coming: Pcm, rate: int) -> Pcm:
        """The sound that leads to silence, of what would have come next, which is not heard thereby: it comes again."""
        faded = self._faded(coming, round(_RAMP_S * rate))
        self._gain = 0.0
        return faded

    def cut(self, coming: Pcm, rate: int) -> Pcm:
        """The last breath of a voice that is cut short, of what would have come next."""
        return self._faded(coming, round(FADE_S * rate))

    def _faded(self, coming: Pcm, samples: int) -> Pcm:
        if not self._gain:
            return silence(0)
        breath = coming[:samples]
        faded: Pcm = breath * np.linspace(self._gain, 0, len(breath), dtype=np.float32)
        return faded
