"""The voices that speak the data: all 54 of Kokoro. Every recording is kept on disk."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import soxr
from onnxruntime import InferenceSession

from audio.pcm import INPUT_RATE, Pcm
from pipeline.weights.store import ModelStore
from training.data.acoustic import Split
from training.data.effects import stretched, trimmed
from tts.engines.kokoro import RATE, read_styles, styled
from tts.engines.kokoro_graph import Floats, dequantized
from tts.engines.kokoro_phonemes import token_ids
from tts.engines.vits import open_session
from tts.frontend.clauses import clauses_of
from tts.frontend.english.phonemes import EnglishPhonemizer
from tts.synthesizer import Clause

_OF = 10
"""Of so many voices in the order of their names, those at the following places are held out."""
_TESTED, _VALIDATED = (2, 7), (1,)

Voices = Mapping[str, Callable[[str], Pcm]]
"""Functions that speak a text, at 16 kHz, by the name of their voice."""


class KeptSpeaker:
    """Speaks in several voices, at any speed, and synthesizes nothing twice: a folder keeps every recording."""

    def __init__(self, voices: Voices, folder: Path) -> None:
        self._spoken_by = voices
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._voices: dict[Split, list[str]] = {"train": [], "validation": [], "test": []}
        for index, name in enumerate(sorted(voices)):
            self._voices[_split(index % _OF)].append(name)

    def voices(self, split: Split) -> Sequence[str]:
        return self._voices[split]

    def say(self, text: str, voice: str, speed: float) -> Pcm:
        """`text` at 16 kHz, without silence at its ends."""
        name = hashlib.sha256(f"{text}\n{voice}".encode()).hexdigest()[:24]
        file = self._folder / f"{name}.npy"
        if not file.exists():
            spoken = (trimmed(self._spoken_by[voice](text)) * 32767).astype(np.int16)
            unfinished = file.with_suffix(f".{os.getpid()}.npy")  # runs may share the folder
            np.save(unfinished, spoken)
            unfinished.replace(file)
        pcm: Pcm = np.load(file).astype(np.float32) / 32767
        return pcm if speed == 1 else stretched(pcm, speed)


def kokoro() -> Voices:
    """The 54 voices of Kokoro, all speaking English; downloaded if need be."""
    store = ModelStore()
    session = open_session(dequantized(onnx.load(store.resolve("kokoro-82m"))).SerializeToString(), threads=1)
    phonemizer, folder = EnglishPhonemizer(), store.resolve("kokoro-all-voices")
    return {
        file.stem: partial(_said, session, phonemizer, read_styles(file), file.stem.startswith("b"))
        for file in sorted(folder.glob("*.bin"))
    }


def _said(session: InferenceSession, phonemizer: EnglishPhonemizer, styles: Floats, british: bool, text: str) -> Pcm:
    """`text` at 16 kHz. Nobody waits for its first sound, so clauses are rendered whole, which costs less."""
    clauses = clauses_of(text)
    rendered = np.concatenate([_rendered(session, phonemizer, styles, british, clause) for clause in clauses])
    pcm: Pcm = soxr.resample(rendered, RATE, INPUT_RATE).astype(np.float32)
    return pcm


def _rendered(
    session: InferenceSession, phonemizer: EnglishPhonemizer, styles: Floats, british: bool, clause: Clause
) -> Pcm:
    phonemes = phonemizer([word.spoken for word in clause.words], clause.stop)
    ids, _ = token_ids(phonemes, clause.stop, british=british)
    feed = {
        "tokens": np.array([ids], dtype=np.int64),
        "style": styled(styles, ids),
        "speed": np.ones(1, dtype=np.float32),
    }
    pcm: Pcm = session.run(None, feed)[0].ravel()
    return pcm


def _split(place: int) -> Split:
    if place in _TESTED:
        return "test"
    return "validation" if place in _VALIDATED else "train"
