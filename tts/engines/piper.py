"""Piper voices (VITS) in plain onnxruntime: first chunk before the clause is finished, and exact word times."""

import json
import logging
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from tts.engines.chunks import CHUNK_S, PAUSE_S, amplified, chunks, windows
from tts.engines.speech_stream import SpeechStream, Stopped
from tts.engines.vits import VitsGraph, run_until
from tts.frontend.english.phonemes import EnglishPhonemizer, Phonemizer
from tts.synthesizer import Clause, Speech, UnknownVoice, Voice, VoiceInfo, WordTime

logger = logging.getLogger(__name__)

LEAD_FRAMES = 2
"""Frames kept before the first phoneme; whatever the model puts earlier is silence."""
TAIL_FRAMES = 4
"""Frames kept after the last phoneme, where a final consonant is released."""

PAD, BEGIN, END, SPACE = "_", "^", "$", " "
"""Symbols of Piper's phoneme map that are not phonemes."""


class PiperSynthesizer:
    """One Piper voice, loaded from its ONNX file and configuration."""

    def __init__(
        self,
        model: Path,
        config: Path,
        *,
        licence: str = "",
        speed: float = 1.0,
        threads: int = 1,
        gain_db: float = 0.0,
        phonemizer: Phonemizer | None = None,
    ) -> None:
        """Load the voice.

        `model`: the .onnx file. `config`: its .onnx.json. `speed` 2 talks twice as fast. `gain_db`: gain that makes the
        voice as loud as the others. Raises `ValueError` if the voice is not English and there is no `phonemizer`.
        """
        settings = json.loads(config.read_text(encoding="utf-8"))
        language = settings["espeak"]["voice"]
        if phonemizer is None and not language.startswith("en"):
            raise ValueError(
                f"{model.name} speaks {language!r}; without a phonemizer for it only English can be spoken"
            )
        inference = settings["inference"]
        self._spec = _Spec(
            rate=settings["audio"]["sample_rate"],
            ids=settings["phoneme_id_map"],
            noise=inference["noise_scale"],
            length=inference["length_scale"] / speed,
            noise_w=inference["noise_w"],
            speed=speed,
            gain=10 ** (gain_db / 20),
        )
        self._info = VoiceInfo(model.stem, settings["language"]["code"], licence)
        self._phonemizer = phonemizer or EnglishPhonemizer()
        self._vits = VitsGraph(model, threads)
        if self._vits.no_cut:
            logger.warning("%s is synthesized clause by clause instead of streaming: %s", model.name, self._vits.no_cut)

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return (self._info,)

    def open(self, voice: str) -> Voice:
        if voice != self._info.name:
            raise UnknownVoice(f"there is no voice {voice!r}; there is {self._info.name}")
        return _PiperVoice(self._spec, self._vits, self._phonemizer)


@dataclass(frozen=True, slots=True)
class _Spec:
    """Parameters of a voice from its .onnx.json, combined with speed and gain."""

    rate: int
    ids: Mapping[str, Sequence[int]]
    noise: float
    length: float
    noise_w: float
    speed: float
    gain: float


class _PiperVoice:
    def __init__(self, spec: _Spec, vits: VitsGraph, phonemizer: Phonemizer) -> None:
        self._spec = spec
        self._vits = vits
        self._phonemizer = phonemizer

    @property
    def sample_rate(self) -> int:
        return self._spec.rate

    @property
    def waits(self) -> bool:
        return False

    def at_speed(self, speed: float) -> "_PiperVoice":
        spec = replace(self._spec, length=self._spec.length / speed, speed=self._spec.speed * speed)
        return _PiperVoice(spec, self._vits, self._phonemizer)

    def speak(self, clause: Clause) -> SpeechStream:
        return SpeechStream(partial(self._speech, clause))

    def _speech(self, clause: Clause, stopped: Stopped) -> Iterator[Speech]:
        run = run_until(stopped)
        phonemes = self._phonemizer([word.spoken for word in clause.words], clause.stop)
        ids, spans = phoneme_ids(phonemes, clause.stop, self._spec.ids)
        if not any(first < last for first, last in spans):
            yield Speech(np.zeros(0, dtype=np.float32), tuple(WordTime(i, 0, 0) for i in range(len(spans))))
            return
        latents = self._vits.latents(ids, self._spec.noise, self._spec.length, self._spec.noise_w, run)
        hop = self._vits.hop
        voiced = [(int(latents.bounds[first]), int(latents.bounds[last])) for first, last in spans]
        start = max(0, voiced[0][0] // hop - LEAD_FRAMES)
        end = min(latents.frames, -(-voiced[-1][1] // hop) + TAIL_FRAMES)
        times = [WordTime(i, a - start * hop, b - start * hop) for i, (a, b) in enumerate(voiced)]
        pause = round(PAUSE_S.get(clause.stop, 0.0) / self._spec.speed * self._spec.rate)
        silence = max(0, pause - (end * hop - voiced[-1][1]))
        parts = (amplified(self._vits.decode(latents, *window, run), self._spec.gain) for window in windows(start, end))
        yield from chunks(parts, silence, times, round(CHUNK_S * self._spec.rate))


def phoneme_ids(
    phonemes: Sequence[str], stop: str, table: Mapping[str, Sequence[int]]
) -> tuple[list[int], list[tuple[int, int]]]:
    """The phoneme ids of a clause, padded as in VITS's training, and for each word the range of its ids.

    `table`: ids by symbol, from the voice's .onnx.json. A range includes the word's last pad. A mark after a word
    (", and") is outside its range. Symbols that the voice was not trained on are dropped.
    """
    ids: list[int] = []
    spans: list[tuple[int, int]] = []

    def add(symbol: str) -> None:
        if symbol in table:
            ids.extend((*table[symbol], *table[PAD]))

    add(BEGIN)
    for i, word in enumerate(phonemes):
        if i and word:
            add(SPACE)
        sounds = word.rstrip("".join(PAUSE_S))
        first = len(ids)
        for symbol in unicodedata.normalize("NFD", sounds):
            add(symbol)
        spans.append((first, len(ids)))
        for mark in word[len(sounds) :]:
            add(mark)
    add(stop)
    ids.extend(table[END])
    return ids, spans
