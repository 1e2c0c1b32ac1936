"""What the tests know about speech: recordings with their words, what is none, and how far two texts lie apart."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from audio.pcm import INPUT_RATE, Pcm
from audio.sound_file import read_wav
from bench.speech.wer import word_error_percent
from pipeline.encoders.encoder import Encoder

RECORDINGS = Path(__file__).parents[2] / "bench" / "recordings"
SPOKEN_CASES = Path(__file__).parents[1] / "recordings"
"""Recordings that only the tests use: 16 kHz, synthetic voices."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A spoken turn, 16 kHz, of a synthetic voice (Kokoro-82M)."""

    kind: str
    """"turn", "pause" for a turn with one in it, "backchannel" or "barge_in"."""
    text: str
    path: Path
    speech_end_s: float

    def pcm(self, rate: int = 16_000) -> Pcm:
        return read_wav(self.path, rate)


@cache
def recordings() -> dict[str, Recording]:
    """By name, such as "turn_02"."""
    items = json.loads((RECORDINGS / "manifest.json").read_text())["items"]
    return {
        Path(item["file"]).stem: Recording(item["kind"], item["text"], RECORDINGS / item["file"], item["speech_end_s"])
        for item in items
    }


def noise(seconds: float, db: float, seed: int = 0) -> Pcm:
    """White noise at 16 kHz."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * INPUT_RATE), np.float32)
    return samples * np.float32(10 ** (db / 20))


def cough(voiced: bool = False) -> Pcm:
    """Two bursts of noise in a quiet room, 2 s at 16 kHz; `voiced` with a groan in each, as most people's are."""
    pcm = noise(2, -65)
    for start, seconds in ((0.4, 0.25), (0.8, 0.2)):
        burst = noise(seconds, -6, seed=1)
        at = np.arange(len(burst)) / INPUT_RATE
        first = round(start * INPUT_RATE)
        pcm[first : first + len(burst)] += burst * (np.exp(-18 * at) * (1 - np.exp(-400 * at))).astype(np.float32)
        if voiced:
            pcm[first : first + _GROAN] += _groan()
    return pcm


_GROAN = round(0.35 * INPUT_RATE)
"""Samples."""


def _groan() -> Pcm:
    """A voice that falls from 120 Hz and fades, with the first two formants of an open vowel."""
    at = np.arange(_GROAN) / INPUT_RATE
    phase = 2 * np.pi * np.cumsum(120 * (1 - at)) / INPUT_RATE
    harmonics = [
        np.sin(k * phase) / k * (1 / (1 + ((120 * k - 700) / 200) ** 2) + 0.6 / (1 + ((120 * k - 1200) / 250) ** 2))
        for k in range(1, 25)
    ]
    wave = np.sum(harmonics, axis=0)
    groan: Pcm = (0.3 * wave / np.abs(wave).max() * np.exp(-4 * at)).astype(np.float32)
    return groan


def voice(
    hz: tuple[float, float] = (120, 120), seconds: float = 2.0, syllables_per_s: float = 4.0, level: float = 0.2
) -> Pcm:
    """A buzz whose pitch glides evenly, in semitones, while its loudness comes and goes with each syllable."""
    time = np.arange(round(seconds * INPUT_RATE)) / INPUT_RATE
    pitch = hz[0] * (hz[1] / hz[0]) ** (time / seconds)
    phase = 2 * np.pi * np.cumsum(pitch) / INPUT_RATE
    buzz = np.sum([np.sin(n * phase) / n for n in range(1, 12)], axis=0)
    swell = 0.15 + 0.85 * (0.5 - 0.5 * np.cos(2 * np.pi * syllables_per_s * time))
    return np.asarray(level * buzz * swell / 1.8, dtype=np.float32)


INTELLIGIBLE = 0.4
"""Word error rate up to which an answer is understood: a short one with a name in it, which nobody can spell by ear."""


def word_errors(said: str, heard: str) -> float:
    """Word error rate, as the bench counts it."""
    return word_error_percent([(said, heard)]) / 100


def word_errors_of_beginning(said: str, heard: str) -> float:
    """The same for audio that was cut off: after the last words, a recognizer invents how they continue."""
    words = heard.split()
    return min(word_errors(said, " ".join(words[:count])) for count in range(len(words) + 1))


def transcribe(encoder: Encoder, pcm: Pcm) -> str:
    """What the agent's own recognizer makes of audio at 24 kHz."""
    stream = encoder.open()
    stream.push(soxr.resample(pcm, 24_000, 16_000))
    return stream.finish().text
