"""How a turn was said: pitch, loudness, pace and pauses, against how the same person has spoken so far.

Only what was measured is said, and nothing of what a voice may mean. Pitch by YIN (de Cheveigné and Kawahara 2002,
doi:10.1121/1.1458024), syllables as peaks of loudness (de Jong and Wempe 2009, doi:10.3758/BRM.41.2.385).
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from audio.pcm import INPUT_RATE, Pcm, silence

Values = NDArray[np.float64]

_HOP = INPUT_RATE // 50
_HOP_S = _HOP / INPUT_RATE
_WINDOW = 480
"""Samples that are compared at each lag: two periods of the deepest voice."""
_SHORTEST_LAG, _LONGEST_LAG = INPUT_RATE // 450, INPUT_RATE // 65
_FRAME = _WINDOW + _LONGEST_LAG + 1
_FFT = 1024
_APERIODIC = 0.35
"""Of YIN's normalized difference; from it on a frame has no pitch. Rough voices reach 0.3, noise stays above 0.4."""
_FLOOR_DB = -60.0
"""Of full scale. What is softer is silence in any room."""
_SPEECH_DB, _NOISE_DB = 25.0, 6.0
"""How far below loud speech soft speech may lie, and how far above the quietest moment it must lie."""
_VOWEL = 400
"""Samples in which a vowel's loudness is measured, twice a hop."""
_VOWEL_BANDS = slice(300 * 512 // INPUT_RATE, 3_000 * 512 // INPUT_RATE)
"""Of a spectrum of 512: between the hum of nasals and the hiss of fricatives, so that vowels stand out."""
_SYLLABLE_DB = 2.0
"""How far that dips between two syllables."""
_SMOOTHED = 5
"""Values of it, 10 ms each: a third of a quick syllable."""
_PAUSE_S = 0.4
"""Silence that is no part of a word."""
_LEAST_S = 0.3
"""Voice without which nothing can be said of a turn."""
_LEAST_SYLLABLES = 4
_NEAR = 8
"""Frames."""
_END_S = 0.34
"""Voice at the end of a turn in which it rises or falls."""
_BASELINE_TURNS = 2
"""Turns without which nobody is known well enough to compare with."""
_KEPT_TURNS = 20

_QUICKER, _SLOWER = 1.25, 0.78
_LOUDER_DB, _SOFTER_DB = 5.0, -6.0
_HIGHER, _LOWER = 3.0, -3.0
_RISING = 3.0
"""Semitones: what listeners call higher, lower, a rise; half of it is in everybody's every sentence."""
_LONG_PAUSE_S = 1.0
_SEVERAL_PAUSES = 3


@dataclass(frozen=True, slots=True)
class Note:
    """Measurements of how a turn was said. None: not measured, or nothing to compare it with yet."""

    rise: float | None
    """Semitones by which the voice goes up in its last third of a second; negative where it falls."""
    pitch: float | None
    """Semitones above the speaker's own."""
    loudness: float | None
    """dB above the speaker's own."""
    rate: float | None
    """Pace, as a multiple of the speaker's own."""
    syllables_per_s: float | None
    """Of speech, pauses left out."""
    pauses: tuple[float, ...]
    """Seconds of each silence inside the turn from 0.4 s on."""
    text: str
    """In words, for a decoder, as in "(said quickly, voice rising at the end)"; "" where nothing stands out."""


@dataclass(slots=True)
class _Turn:
    """Pitch and loudness of a turn, in frames of 20 ms."""

    rest: Pcm = field(default_factory=lambda: silence(0))
    """Samples that the next frame begins with."""
    pitch: list[float] = field(default_factory=list)
    """Semitones from 100 Hz; NaN without a pitch."""
    level: list[float] = field(default_factory=list)
    """dB of full scale."""
    vowels: list[float] = field(default_factory=list)
    """dB where vowels are loud; two for each frame."""


@dataclass(frozen=True, slots=True)
class _Measured:
    pitch: float
    loudness: float
    rate: float | None
    rise: float | None
    pauses: tuple[float, ...]


class Prosody:
    """Knows how the person of one conversation usually speaks, and opens measurements of their turns."""

    def __init__(self) -> None:
        self._past: list[_Measured] = []

    def open(self) -> "TurnProsody":
        """Begin to measure a turn."""
        return TurnProsody(self._past)


class TurnProsody:
    """Measures how one turn is said, at any pause."""

    def __init__(self, past: list[_Measured]) -> None:
        self._past = past
        self._turn = _Turn()

    def push(self, pcm: Pcm) -> None:
        """Take the next samples of the turn (float32, mono, 16 kHz, any length)."""
        turn = self._turn
        samples = np.concatenate((turn.rest, pcm))
        count = max((len(samples) - _FRAME) // _HOP + 1, 0)
        turn.rest = samples[count * _HOP :]
        if count:
            frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[: count * _HOP : _HOP]
            level = 10 * np.log10(np.mean(frames[:, :_HOP] ** 2, axis=1) + 1e-12)
            turn.level += level.tolist()
            turn.pitch += _pitch(frames, level).tolist()
            halves = np.stack((frames[:, :_VOWEL], frames[:, _HOP // 2 : _HOP // 2 + _VOWEL]), axis=1)
            power = np.abs(np.fft.rfft(halves * np.hanning(_VOWEL), 512)[..., _VOWEL_BANDS]) ** 2
            turn.vowels += (10 * np.log10(power.sum(axis=-1) + 1e-12)).ravel().tolist()

    def note(self) -> Note | None:
        """How it was said so far; None if there is too little voice in it to tell."""
        measured = _measure(self._turn)
        return _note(measured, self._past) if measured is not None else None

    def remember(self) -> None:
        """The turn is over: the next ones are compared with it too."""
        if (measured := _measure(self._turn)) is not None:
            self._past.append(measured)
            del self._past[:-_KEPT_TURNS]


def _pitch(frames: Pcm, level: Values) -> Values:
    """The pitch of each frame in semitones from 100 Hz; NaN without one."""
    pitch = np.full(len(frames), np.nan)
    loud = np.flatnonzero(level > _FLOOR_DB)
    if not len(loud):
        return pitch
    x = frames[loud].astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    head = np.fft.rfft(x[:, :_WINDOW], _FFT)
    correlation = np.fft.irfft(head.conj() * np.fft.rfft(x, _FFT), _FFT)[:, : _LONGEST_LAG + 1]
    energy = np.cumsum(np.pad(x**2, ((0, 0), (1, 0))), axis=1)
    lags = np.arange(_LONGEST_LAG + 1)
    difference = energy[:, [_WINDOW]] + (energy[:, lags + _WINDOW] - energy[:, lags]) - 2 * correlation
    running = np.cumsum(difference[:, 1:], axis=1) / lags[1:]
    normal = np.ones_like(difference)
    normal[:, 1:] = difference[:, 1:] / np.maximum(running, 1e-12)
    inner = normal[:, _SHORTEST_LAG:_LONGEST_LAG]
    dips = (inner <= normal[:, _SHORTEST_LAG - 1 : _LONGEST_LAG - 1]) & (inner < normal[:, _SHORTEST_LAG + 1 :])
    good = dips & (inner < _APERIODIC)
    found = good.any(axis=1)
    lag = np.argmax(good, axis=1)[found] + _SHORTEST_LAG
    rows = np.flatnonzero(found)
    before, at, after = (normal[rows, lag + step] for step in (-1, 0, 1))
    exact = lag + 0.5 * (before - after) / np.maximum(before - 2 * at + after, 1e-9)
    pitch[loud[rows]] = 12 * np.log2(INPUT_RATE / exact / 100)
    return pitch


def _measure(turn: _Turn) -> _Measured | None:
    """None: too little voice."""
    level, pitch = np.array(turn.level), np.array(turn.pitch)
    voiced = ~np.isnan(pitch)
    if np.count_nonzero(voiced) * _HOP_S < _LEAST_S:
        return None
    loud = float(np.percentile(level[voiced], 95))
    noise = min(float(np.percentile(level, 5)) + _NOISE_DB, loud - _SPEECH_DB / 2)
    speech = level > max(loud - _SPEECH_DB, noise, _FLOOR_DB)
    voiced &= speech
    if np.count_nonzero(voiced) * _HOP_S < _LEAST_S:
        return None
    # Words begin and end without voice, but never far from it: what is farther away is a noise.
    near = np.flatnonzero(speech & (np.convolve(voiced, np.ones(2 * _NEAR + 1), mode="same") > 0))
    first, last = int(near[0]), int(near[-1])
    pauses = tuple(_pauses(speech[first : last + 1]))
    syllables = _syllables(np.array(turn.vowels)[2 * first : 2 * last + 2])
    spoken_s = (last + 1 - first) * _HOP_S - sum(pauses)
    return _Measured(
        pitch=float(np.median(pitch[voiced])),
        loudness=float(np.mean(level[voiced])),
        rate=float(syllables / spoken_s) if syllables >= _LEAST_SYLLABLES else None,
        rise=_rise(pitch, voiced),
        pauses=pauses,
    )


def _pauses(speech: NDArray[np.bool_]) -> list[float]:
    """Seconds of each silence that is long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], speech, [True])).astype(np.int8)))
    silences = (edges[1::2] - edges[::2]) * _HOP_S
    return [round(float(seconds), 2) for seconds in silences if seconds >= _PAUSE_S]


def _syllables(vowels: Values) -> int:
    """Peaks with a dip on either side, hardly softer than the loudest."""
    window = np.hanning(_SMOOTHED + 2)[1:-1]
    smooth = np.convolve(np.pad(vowels, _SMOOTHED // 2, mode="edge"), window / window.sum(), mode="valid")
    softest = float(np.percentile(smooth, 95)) - _SPEECH_DB
    count, rising, peak, dip = 0, True, -np.inf, np.inf
    for now in smooth:
        if rising:
            peak = max(peak, now)
            if now < peak - _SYLLABLE_DB:
                count += peak > softest
                rising, dip = False, now
        else:
            dip = min(dip, now)
            if now > dip + _SYLLABLE_DB:
                rising, peak = True, now
    return count + (rising and peak > softest)


def _rise(pitch: Values, voiced: NDArray[np.bool_]) -> float | None:
    """Of a straight line through the last voice. Leaps of an octave are YIN's errors, and are left out."""
    places = np.flatnonzero(voiced)[-round(_END_S / _HOP_S) :]
    heights = pitch[places]
    kept = np.abs(heights - np.median(heights)) < 9
    if np.count_nonzero(kept) < 8 or places[-1] - places[0] > 2 * len(places):
        return None
    slope, _ = np.polyfit(places[kept], heights[kept], 1)
    return float(slope * (places[-1] - places[0]))


def _note(now: _Measured, past: list[_Measured]) -> Note:
    known = len(past) >= _BASELINE_TURNS
    rates = [turn.rate for turn in past if turn.rate is not None]
    note = Note(
        rise=now.rise,
        pitch=now.pitch - float(np.median([turn.pitch for turn in past])) if known else None,
        loudness=now.loudness - float(np.median([turn.loudness for turn in past])) if known else None,
        rate=now.rate / float(np.median(rates)) if now.rate and len(rates) >= _BASELINE_TURNS else None,
        syllables_per_s=now.rate,
        pauses=now.pauses,
        text="",
    )
    return replace(note, text=_in_words(note))


def _in_words(note: Note) -> str:
    ways = [
        *_which(note.rate, _SLOWER, "slowly", _QUICKER, "quickly"),
        *_which(note.loudness, _SOFTER_DB, "softly", _LOUDER_DB, "loudly"),
    ]
    voice = _which(note.pitch, _LOWER, "in a lower voice than before", _HIGHER, "in a higher voice than before")
    pauses = []
    if len(note.pauses) >= _SEVERAL_PAUSES:
        pauses = ["with several pauses"]
    elif max(note.pauses, default=0) >= _LONG_PAUSE_S:
        pauses = ["with a long pause"]
    end = ["voice rising at the end"] if note.rise is not None and note.rise >= _RISING else []
    said = ", ".join([" and ".join(ways)] * bool(ways) + voice + pauses)
    return f"({', '.join(['said ' + said] * bool(said) + end)})" if said or end else ""


def _which(value: float | None, low: float, if_low: str, high: float, if_high: str) -> list[str]:
    if value is None or low < value < high:
        return []
    return [if_low if value <= low else if_high]
