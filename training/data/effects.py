"""What is done to a spoken sentence so that a question about its sound has one answer. Pure; 16 kHz mono float32."""

from contextlib import suppress
from fractions import Fraction

import av
import av.filter
import numpy as np
import soxr

from audio.pcm import INPUT_RATE, Pcm, silence

SPEECH_DB = -23.0
"""Level of a sentence before any effect: RMS over its audible part, in dB below full scale."""
_AUDIBLE = 0.01
"""Amplitude, against the peak, above which a sample counts as audible."""
_FADE = INPUT_RATE // 50


def level_db(pcm: Pcm) -> float:
    """RMS of the audible part, in dB below full scale. -120 for silence."""
    loud = np.abs(pcm) >= _AUDIBLE * np.abs(pcm).max(initial=0)
    power = float(np.mean(np.square(pcm[loud], dtype=np.float64))) if np.any(pcm) else 0.0
    return 10 * np.log10(power) if power > 1e-12 else -120.0


def at_level(pcm: Pcm, db: float) -> Pcm:
    """`pcm` at this level, its peaks limited."""
    made: Pcm = np.clip(pcm * np.float32(10 ** ((db - level_db(pcm)) / 20)), -1, 1).astype(np.float32)
    return made


def change_db(pcm: Pcm) -> float:
    """Level of the last quarter, in dB above that of the first."""
    quarter = len(pcm) // 4
    return level_db(pcm[-quarter:]) - level_db(pcm[:quarter])


def trimmed(pcm: Pcm) -> Pcm:
    """Without the silence at both ends."""
    audible = np.flatnonzero(np.abs(pcm) >= _AUDIBLE * np.abs(pcm).max(initial=0))
    return pcm[audible[0] : audible[-1] + 1] if len(audible) else pcm[:0]


def ramped(pcm: Pcm, db: float) -> Pcm:
    """Louder (or, below 0, quieter) from the first sample to the last, by `db` in all, half on each side."""
    gains = 10 ** (np.linspace(-db / 2, db / 2, len(pcm)) / 20)
    return np.clip(pcm * gains, -1, 1).astype(np.float32)


def resampled(pcm: Pcm, ratio: float) -> Pcm:
    """Played `ratio` times as fast: pitch, formants and pace rise together. Speak slower to keep the pace."""
    made: Pcm = soxr.resample(pcm, INPUT_RATE * ratio, INPUT_RATE).astype(np.float32)
    return made


def stretched(pcm: Pcm, speed: float) -> Pcm:
    """`speed` times as fast, at the same pitch: by FFmpeg's atempo, which overlaps similar pieces. From 0.5 to 2."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=INPUT_RATE, format="flt", layout="mono", time_base=Fraction(1, INPUT_RATE))
    tempo, sink = graph.add("atempo", f"{speed}"), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(pcm[None].astype(np.float32), format="flt", layout="mono")
    frame.sample_rate = INPUT_RATE
    graph.push(frame)
    graph.push(None)
    made = []
    with suppress(av.EOFError):
        while True:
            made.append(graph.pull().to_ndarray()[0])
    return np.concatenate(made)


def paused(pcm: Pcm, seconds: float) -> Pcm:
    """With `seconds` of silence at the quietest place in the middle half."""
    start = len(pcm) // 4
    energy = np.convolve(np.square(pcm), np.ones(_FADE), "same")
    at = start + int(np.argmin(energy[start : len(pcm) - start])) if len(pcm) > 4 else len(pcm)
    return np.concatenate((pcm[:at], silence(round(seconds * INPUT_RATE)), pcm[at:]))


def noise(samples: int, random: np.random.Generator) -> Pcm:
    """Steady hiss."""
    return at_level(random.standard_normal(samples).astype(np.float32) * 0.1, SPEECH_DB)


def hum(samples: int, random: np.random.Generator) -> Pcm:
    """The low buzz of mains: 50 or 60 Hz with harmonics."""
    time = np.arange(samples) / INPUT_RATE
    base = float(random.choice((50.0, 60.0)))
    waves = sum(np.sin(2 * np.pi * base * number * time + random.uniform(0, 6)) / number for number in (2, 3, 4, 6))
    return at_level(np.asarray(waves, np.float32) * np.float32(0.1), SPEECH_DB)


def beep(random: np.random.Generator) -> Pcm:
    """A short tone, between 600 and 1,500 Hz, with soft edges."""
    samples = INPUT_RATE // 4
    time = np.arange(samples) / INPUT_RATE
    edge = np.minimum(1, np.minimum(np.arange(samples), np.arange(samples)[::-1]) / _FADE)
    tone = np.sin(2 * np.pi * random.uniform(600, 1500) * time) * edge
    return at_level(tone.astype(np.float32), SPEECH_DB)


def under(pcm: Pcm, background: Pcm, db: float) -> Pcm:
    """`pcm` with a background `db` below it."""
    made: Pcm = np.clip(pcm + at_level(background, level_db(pcm) - db), -1, 1).astype(np.float32)
    return made
