"""Whose speech it is: that of the person who has been talking, or of a television behind them. Pure.

By its level, which costs nothing. What is much softer is compared with the caller's voice: they may have moved away.
"""

from dataclasses import dataclass, field

import numpy as np

from audio.pcm import INPUT_RATE, Pcm
from audio.ring_buffer import RingBuffer
from pipeline.listening.caller.speaker_encoder import SpeakerEncoder

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
_LOUDER, _SOFTER, _MOVED = 0.5, 0.2, 0.5
"""How far the level follows a stretch that is louder, one that is softer, and one known by its voice."""
_NOISE_RISES, _NOISE_FALLS = 0.01, 0.2
"""How far the level of the noise follows a louder frame without speech, which may be a breath or the end of a word, and
a softer one."""
_COMPARED_S = (1.0, 1.6, 3.0)
"""Lengths of a stretch at which its voice is compared with the caller's. Shorter ones say little."""
_KNOWN_S = 1.5
"""Speech of the caller that a comparison needs."""
_SAME = 0.74
"""Cosine from which two voices are the same. Of ten readers of LibriSpeech, 15 dB softer than before, those are 0.89 of
the same reader's sentences after 1.6 s, and 0.01 of other readers'."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether speech that is much softer than the caller's has the caller's voice."""

    softer: Pcm
    caller: Pcm
    """Speech of the caller, as soft and in as much noise: noise makes voices alike."""

    def same_voice(self, encoder: SpeakerEncoder) -> bool:
        """Blocks while the model runs."""
        return float(encoder.embed(self.softer) @ encoder.embed(self.caller)) >= _SAME


@dataclass(slots=True)
class _Stretch:
    """Speech without a gap."""

    began: int
    """Its first sample."""
    energies: list[float] = field(default_factory=list)
    """Mean square of each frame."""
    speech: list[Pcm] = field(default_factory=list)
    """Its frames, until it is found to be the caller's."""
    compared: int = 0
    """How often its voice was compared with the caller's."""
    is_callers: bool = False
    softer_db: float = 0.0
    """How much softer than usual the caller is, whose voice was known in it."""
    silent: int = 0
    """Samples of silence since its last speech."""

    def level_db(self, frames: int) -> float:
        """Level of its last `frames`."""
        energies = self.energies[-frames:]
        width = min(_LEVEL_FRAMES, len(energies))
        loudest = np.convolve(energies, np.ones(width) / width, "valid").max()
        return float(10 * np.log10(loudest + 1e-12))


class CallerVoice:
    """Remembers how loud the caller is: speech that is much softer waits until it is as loud, or known by its voice."""

    def __init__(self, softer_db: float) -> None:
        """`softer_db`: speech that is softer than the caller by more than this waits; 0: none does."""
        self._softer_db = softer_db
        self._level_db: float | None = None
        self._speech = RingBuffer(round(_COMPARED_S[-1] * INPUT_RATE))
        """What the caller has said last."""
        self._noise = 0.0
        """Mean square of what is not speech."""
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
            self._pause(pcm)
            return True
        if self._stretch is None:
            self._stretch = _Stretch(start)
        stretch = self._stretch
        stretch.silent = 0
        stretch.energies.append(float(np.mean(pcm**2)))
        if len(stretch.speech) * len(pcm) < _COMPARED_S[-1] * INPUT_RATE:
            stretch.speech.append(pcm)
        hangover = round(_HANGOVER_S * INPUT_RATE / len(pcm))
        if stretch.is_callers and len(stretch.energies) > hangover and not self._is_loud(stretch, hangover):
            # The caller has fallen silent, and somebody softer speaks on.
            self._learn(stretch)
            stretch = self._stretch = _Stretch(start, [stretch.energies[-1]], [pcm])
        if not stretch.is_callers and self._is_loud(stretch, len(stretch.energies)):
            stretch.is_callers = True
            self.waited_since = stretch.began
        if stretch.is_callers:
            self._heard_at = self._position
            for frame in stretch.speech:
                self._speech.push(frame)
            stretch.speech.clear()
        return stretch.is_callers

    def comparison(self) -> Comparison | None:
        """What is to be compared now; None: nothing. Tell `know` if the voice is the same."""
        stretch = self._stretch
        if stretch is None or stretch.is_callers or stretch.compared == len(_COMPARED_S) or self._level_db is None:
            return None
        if sum(map(len, stretch.speech)) < _COMPARED_S[stretch.compared] * INPUT_RATE:
            return None
        caller = self._speech.last(round(_COMPARED_S[-1] * INPUT_RATE))
        if len(caller) < _KNOWN_S * INPUT_RATE:
            return None
        softer = np.concatenate(stretch.speech)
        stretch.compared += 1
        gain = np.sqrt(np.mean(softer**2) / (np.mean(caller**2) + 1e-12))
        noise = np.random.default_rng(0).standard_normal(len(caller)) * np.sqrt(self._noise)
        return Comparison(softer, np.asarray(caller * gain + noise, np.float32))

    def know(self) -> None:
        """The speech that was compared is the caller's: so is what follows, at its level."""
        stretch = self._stretch
        if stretch is not None and self._level_db is not None:
            stretch.softer_db = max(self._level_db - stretch.level_db(len(stretch.energies)), 0)

    def _pause(self, pcm: Pcm) -> None:
        change = float(np.mean(pcm**2)) - self._noise
        self._noise += change * (_NOISE_RISES if change > 0 else _NOISE_FALLS)
        if self._stretch is None:
            return
        self._stretch.silent += len(pcm)
        if self._stretch.silent >= _GAP_S * INPUT_RATE:
            self._learn(self._stretch)
            self._stretch = None

    def _is_loud(self, stretch: _Stretch, frames: int) -> bool:
        """Whether its last `frames` are as loud as the caller, or nobody knows how loud that is."""
        if self._position - self._heard_at > _FORGOTTEN_S * INPUT_RATE:
            self._level_db = None
        if self._level_db is None:
            return True
        return stretch.level_db(frames) >= self._level_db - stretch.softer_db - self._softer_db

    def _learn(self, stretch: _Stretch) -> None:
        lasted = self._position - stretch.began - stretch.silent
        if not stretch.is_callers or lasted < _LEARNT_S * INPUT_RATE:
            return
        level_db = stretch.level_db(len(stretch.energies))
        if self._level_db is None:
            self._level_db = level_db
            return
        change_db = level_db - self._level_db
        follows = _LOUDER if change_db > 0 else _MOVED if stretch.softer_db else _SOFTER
        self._level_db += change_db * follows
