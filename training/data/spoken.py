"""The voices that speak the data: Kokoro's, through the agent's own engine; what was said is kept on disk."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr

from audio.pcm import INPUT_RATE, Pcm
from pipeline.weights.store import ModelStore
from training.data.acoustic import Split
from training.data.effects import stretched, trimmed
from tts.engines.kokoro import KokoroSynthesizer
from tts.frontend.clauses import ClauseSplitter
from tts.synthesizer import Synthesizer

_TESTED = 5
"""Every so manieth voice speaks only in the test."""


class KeptSpeaker:
    """Speaks with a synthesizer's voices, at any speed, and synthesizes nothing twice: a folder keeps all."""

    def __init__(self, synthesizer: Synthesizer, folder: Path) -> None:
        self._synthesizer = synthesizer
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        names = sorted(info.name for info in synthesizer.voices)
        self._voices: dict[Split, list[str]] = {
            "train": [name for index, name in enumerate(names) if index % _TESTED],
            "test": names[::_TESTED],
        }

    def voices(self, split: Split) -> Sequence[str]:
        return self._voices[split]

    def say(self, text: str, voice: str, speed: float) -> Pcm:
        """`text` at 16 kHz, without silence at its ends."""
        name = hashlib.sha256(f"{text}\n{voice}".encode()).hexdigest()[:24]
        file = self._folder / f"{name}.npy"
        if not file.exists():
            np.save(file, (self._spoken(text, voice) * 32767).astype(np.int16))
        pcm: Pcm = np.load(file).astype(np.float32) / 32767
        return pcm if speed == 1 else stretched(pcm, speed)

    def _spoken(self, text: str, voice: str) -> Pcm:
        opened = self._synthesizer.open(voice)
        splitter = ClauseSplitter()
        clauses = [*splitter.push(text), *splitter.flush()]
        chunks = [speech.pcm for clause in clauses for speech in opened.speak(clause)]
        pcm: Pcm = soxr.resample(np.concatenate(chunks), opened.sample_rate, INPUT_RATE).astype(np.float32)
        return trimmed(pcm)


def kokoro() -> KokoroSynthesizer:
    """The voices of the data, downloaded if need be."""
    store = ModelStore()
    known, folder = store.models["kokoro-voices"], store.resolve("kokoro-voices")
    voices = [folder / file.name for file in known.files if file.name.endswith(".bin")]
    return KokoroSynthesizer(store.resolve("kokoro-82m"), voices, gains_db=known.gains_db, threads=1)
