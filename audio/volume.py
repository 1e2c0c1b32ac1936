"""How loud a voice is played: full, ducked while the user may be interrupting, or paused. Pure."""

from typing import Literal

import numpy as np

from audio.pcm import Pcm, silence

Loudness = Literal["full", "ducked", "paused"]

_GAINS = {"full": 1.0, "ducked": 0.2, "paused": 0.0}
"""Ducked is 14 dB down: quiet enough to speak over, loud enough to follow."""
_RAMP_S = 0.015
"""Duration of the ramp between silence and full volume. A step in the volume would click."""
_CUT_S = 0.005
"""Duration of the fade with which a voice is cut off."""


class Volume:
    """Gain that moves from one loudness to another without a step."""

    def __init__(self) -> None:
        self._loudness: Loudness = "full"
        self._gain = 1.0

    @property
    def is_paused(self) -> bool:
        return self._loudness == "paused"

    def change(self, loudness: Loudness) -> None:
        """Move to `loudness`, beginning with the next samples."""
        self._loudness = loudness

    def gains(self, samples: int, rate: int) -> Pcm:
        """Gains for the next `samples` samples at `rate` Hz."""
        target = _GAINS[self._loudness]
        way = np.arange(1, samples + 1, dtype=np.float32) / np.float32(_RAMP_S * rate)
        gains = np.maximum(self._gain - way, target) if self._gain > target else np.minimum(self._gain + way, target)
        if samples:
            self._gain = float(gains[-1])
        found: Pcm = gains.astype(np.float32)
        return found

    def pause(self, upcoming: Pcm, rate: int) -> Pcm:
        """Fade into a pause, made of the beginning of `upcoming`; empty if the volume is at zero already."""
        samples = round(_RAMP_S * rate)
        faded = self._faded(upcoming[:samples], endpoint=False)
        self._gain = 0.0
        return faded

    def cut(self, upcoming: Pcm, rate: int) -> Pcm:
        """Fade that ends a voice, made of the beginning of `upcoming`; empty if the volume is at zero already."""
        return self._faded(upcoming[: round(_CUT_S * rate)], endpoint=True)

    def _faded(self, pcm: Pcm, endpoint: bool) -> Pcm:
        if not self._gain:
            return silence(0)
        faded: Pcm = pcm * np.linspace(self._gain, 0, len(pcm), endpoint=endpoint, dtype=np.float32)
        return faded
