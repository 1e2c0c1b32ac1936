"""Whose speech it is: that of the person who has been talking, or of a television behind them. Pure.

By level alone. The colour of the voice (the mean spectrum in 20 bands) was tried and did not pay: after a second of
speech, of 18 other voices 8 were taken for the caller's where 15 of 21 phrases of the caller, 15 dB softer, were known.
"""

from dataclasses import dataclass, field

import numpy as np

from audio.pcm import INPUT_RATE, Pcm

_GAP_S = 0.32
"""Silence that ends a stretch of speech."""
_LEVEL_FRAMES = 3
"""Frames over which the level is taken. The loudest of them are vowels, which differ little from phrase to phrase."""
_HANGOVER_S = 0.64
"""Speech that must be soft for so long until the caller has fallen silent before a voice that never pauses."""
_LEARNT_S = 0.3
"""Shortest stretch from which anything is learnt."""
_FORGOTTEN_S = 30.0
"""Silence of the caller after which any voice may begin: nobody is shut out for longer."""
_LOUDER, _SOFTER = 0.5, 0.2
"""How far the level follows a stretch that is louder, and one that is softer."""


@dataclass(slots=True)
class _Stretch:
    """Speech without a gap."""

    began: int
    """Its first sample."""
    energies: list[float] = field(default_factory=list)
    """Mean square of each frame."""
    is_callers: bool = False
    silent: int = 0
    """Samples of silence since its last speech."""

    def level_db(self, frames: int) -> float:
        """Level of its last `frames`."""
        energies = self.energies[-frames:]
        width = min(_LEVEL_FRAMES, len(energies))
        loudest = np.convolve(energies, np.ones(width) / width, "valid").max()
        return float(10 * np.log10(loudest + 1e-12))


class CallerVoice:
    """Remembers how loud the caller is: speech that is much softer waits until it is as loud."""

    def __init__(self, softer_db: float) -> None:
        """`softer_db`: speech that is softer than the caller by more than this waits; 0: none does."""
        self._softer_db = softer_db
        self._level_db: float | None = None
        self._heard_at = 0
        """The last sample of the caller's speech."""
        self._position = 0
        self._stretch: _Stretch | None = None
        self.waited_since: int | None = None
        """First sample of the speech that is found to be the caller's with this frame, and was not with the last."""

    def fits(self, pcm: Pcm, speaks: bool) -> bool:
        """Whether the frame `pcm` (16 kHz), in which somebody `speaks`, may be the caller's; silence always may."""
        start, self._position = self._position, self._position + len(pcm)
        self.waited_since = None
        if not self._softer_db:
            return True
        if not speaks:
            self._pause(len(pcm))
            return True
        if self._stretch is None:
            self._stretch = _Stretch(start)
        stretch = self._stretch
        stretch.silent = 0
        stretch.energies.append(float(np.mean(pcm**2)))
        hangover = round(_HANGOVER_S * INPUT_RATE / len(pcm))
        if stretch.is_callers and len(stretch.energies) > hangover and not self._is_loud(stretch, hangover):
            # The caller has fallen silent, and somebody softer speaks on.
            self._learn(stretch)
            stretch = self._stretch = _Stretch(start, [stretch.energies[-1]])
        if not stretch.is_callers and self._is_loud(stretch, len(stretch.energies)):
            stretch.is_callers = True
            self.waited_since = stretch.began
        if stretch.is_callers:
            self._heard_at = self._position
        return stretch.is_callers

    def _pause(self, samples: int) -> None:
        if self._stretch is None:
            return
        self._stretch.silent += samples
        if self._stretch.silent >= _GAP_S * INPUT_RATE:
            self._learn(self._stretch)
            self._stretch = None

    def _is_loud(self, stretch: _Stretch, frames: int) -> bool:
        """Whether its last `frames` are as loud as the caller, or nobody knows how loud that is."""
        if self._position - self._heard_at > _FORGOTTEN_S * INPUT_RATE:
            self._level_db = None
        return self._level_db is None or stretch.level_db(frames) >= self._level_db - self._softer_db

    def _learn(self, stretch: _Stretch) -> None:
        lasted = self._position - stretch.began - stretch.silent
        if not stretch.is_callers or lasted < _LEARNT_S * INPUT_RATE:
            return
        level_db = stretch.level_db(len(stretch.energies))
        if self._level_db is None:
            self._level_db = level_db
            return
        change_db = level_db - self._level_db
        self._level_db += change_db * (_LOUDER if change_db > 0 else _SOFTER)
