"""Piper voices (VITS) in plain onnxruntime: the first chunk before the clause is finished, and exact word times."""

import json
import logging
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tts.chunks import CHUNK_S, PAUSE_S, amplified, chunks, windows
from tts.phonemes import EnglishPhonemizer, Phonemizer
from tts.synthesizer import Clause, Speech, UnknownVoice, Voice, VoiceInfo, WordTime
from tts.underway import Stopped, Underway
from tts.vits import Vits, until

logger = logging.getLogger(__name__)

LEAD_FRAMES = 2
"""Kept before the first phoneme; what the model puts before that is silence."""
TAIL_FRAMES = 4
"""Kept behind the last phoneme, where a last consonant is released."""

PAD, BEGIN, END, SPACE = "_", "^", "$", " "
"""Symbols of Piper's phoneme map that are not sounds."""


class Piper:
    """One Piper voice. Raises `ValueError` if the voice's language has no phonemizer here."""

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
        """`model` is the .onnx file; `config` the .onnx.json beside it; `speed` 2 talks twice as fast;
        `gain_db` makes it as loud as other voices.
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
        self._vits = Vits(model, threads)
        if self._vits.no_cut:
            logger.warning("%s is heard clause by clause, not as it is made: %s", model.name, self._vits.no_cut)

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return (self._info,)

    def open(self, voice: str) -> Voice:
        if voice != self._info.name:
            raise UnknownVoice(f"there is no voice {voice!r}; there is {self._info.name}")
        return _PiperVoice(self._spec, self._vits, self._phonemizer)


@dataclass(frozen=True, slots=True)
class _Spec:
    """What the voice's .onnx.json says."""

    rate: int
    ids: Mapping[str, Sequence[int]]
    noise: float
    length: float
    noise_w: float
    speed: float
    gain: float


class _PiperVoice:
    def __init__(self, spec: _Spec, vits: Vits, phonemizer: Phonemizer) -> None:
        self._spec = spec
        self._vits = vits
        self._phonemizer = phonemizer

    @property
    def sample_rate(self) -> int:
        return self._spec.rate

    @property
    def waits(self) -> bool:
        return False

    def speak(self, clause: Clause) -> Underway:
        return Underway(partial(self._speech, clause))

    def _speech(self, clause: Clause, stopped: Stopped) -> Iterator[Speech]:
        run = until(stopped)
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
    """The ids of a clause, padded as VITS was trained, and the range of ids that each word takes with its last pad.

    A mark at the end of a word (", and") is no sound of it, and a symbol that the voice was not trained on is left out.
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
