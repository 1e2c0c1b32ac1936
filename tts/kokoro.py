"""Kokoro-82M in onnxruntime: many voices of one model, the first chunk before the clause is finished, word times."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from textwrap import wrap

import numpy as np
from onnxruntime import RunOptions

from tts.chunks import CHUNK_S, PAUSE_S, amplified, chunks, ended, windows
from tts.kokoro_graph import HOP, Floats, KokoroGraph, KokoroLatents, load_norms
from tts.kokoro_phonemes import PAUSES, token_ids
from tts.phonemes import EnglishPhonemizer, Phonemizer
from tts.synthesizer import Clause, Speech, Voice, VoiceInfo, WordTime, check_known
from tts.underway import Stopped, Underway
from tts.vits import until

RATE = 24_000
LEAD_FRAMES = 3
"""Kept before the first phoneme; what the model puts before that is silence."""
TAIL_FRAMES = 6
"""Kept behind the last phoneme, where a last consonant is released."""
WINDOWS = (28, 28, 40, 56)
"""Frames decoded at a time, beside an overlap that costs as much as they do. Making a frame takes a third of the time
that it sounds, on an idle core; up to 0.53 of it, each window is made before the one before it was played."""
BREATH = 400
"""Symbols of IPA at a time. The model takes 510 tokens, and some symbols become two."""

NORMS = Path(__file__).with_name("kokoro_norms.npz")
"""Of the voices that can be spoken with; `python -m bench.kokoro_norms` makes it."""


class Kokoro:
    """One model and its English voices; the first letter of a name says whether it is American or British."""

    def __init__(
        self,
        model: Path,
        voices: Sequence[Path],
        *,
        licence: str = "",
        speed: float = 1.0,
        threads: int = 1,
        gains_db: Mapping[str, float] | None = None,
        phonemizer: Phonemizer | None = None,
        norms: Path = NORMS,
    ) -> None:
        """`voices`: files of float32 [510, 1, 256], named as the voices; the first speaks where none is asked for.

        `gains_db`: what makes each voice as loud as the others. Raises `ValueError`, also for another graph.
        """
        self._styles = {path.stem: read_styles(path) for path in voices}
        self._infos = tuple(VoiceInfo(name, _language(name), licence) for name in self._styles)
        self._speed = speed
        self._gains = {name: 10 ** (db / 20) for name, db in (gains_db or {}).items()}
        self._phonemizer = phonemizer or EnglishPhonemizer()
        self.norms = load_norms(norms)
        if unknown := self._styles.keys() - self.norms:
            raise ValueError(f"{norms.name} has no norms for {', '.join(sorted(unknown))}")
        self.graph = KokoroGraph(model, threads)

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return self._infos

    def open(self, voice: str) -> Voice:
        check_known(voice, self._styles)
        return _KokoroVoice(self, voice)

    def speak(self, voice: str, clause: Clause, stopped: Stopped) -> Iterator[Speech]:
        """`clause` in `voice`, chunk by chunk, until it is `stopped` or dropped."""
        run = until(stopped)
        phonemes = self._phonemizer([word.spoken for word in clause.words], clause.stop)
        begun, told = 0, -1
        breaths = list(_breaths(phonemes))
        for i, breath in enumerate(breaths):
            stop = clause.stop if i == len(breaths) - 1 else ""
            made = 0
            for speech in self._breath(voice, [sounds for _, sounds in breath], stop, run):
                times = [(breath[word.index][0], begun + word.start, begun + word.end) for word in speech.words]
                words = tuple(WordTime(*time) for time in times if time[0] > told)
                told = words[-1].index if words else told
                made += speech.pcm.size
                yield Speech(speech.pcm, words)
            begun += made

    def _breath(self, voice: str, phonemes: Sequence[str], stop: str, run: RunOptions) -> Iterator[Speech]:
        ids, spans = token_ids(phonemes, stop, british=voice.startswith("b"))
        if not any(first < last for first, last in spans):
            yield Speech(np.zeros(0, dtype=np.float32), tuple(WordTime(i, 0, 0) for i in range(len(spans))))
            return
        latents = self.graph.latents(ids, styled(self._styles[voice], ids), self._speed, run)
        bounds = latents.bounds
        layers = self.norms[voice].at(silence(ids, latents))
        voiced = [(int(bounds[first]), int(bounds[last])) for first, last in spans]
        start = max(0, voiced[0][0] // HOP - LEAD_FRAMES)
        end = min(latents.frames, voiced[-1][1] // HOP + TAIL_FRAMES)
        times = [WordTime(i, a - start * HOP, b - start * HOP) for i, (a, b) in enumerate(voiced)]
        pause = round(PAUSE_S.get(stop, 0.0) / self._speed * RATE)
        gain = self._gains.get(voice, 1.0)
        parts = (
            amplified(self.graph.decode(latents, layers, *window, run), gain) for window in windows(start, end, WINDOWS)
        )
        # The last sound is given some of the silence behind it.
        yield from chunks(ended(parts, pause, times[-1].end), 0, times, round(CHUNK_S * RATE))


class _KokoroVoice:
    def __init__(self, kokoro: Kokoro, name: str) -> None:
        self._kokoro = kokoro
        self._name = name

    @property
    def sample_rate(self) -> int:
        return RATE

    @property
    def waits(self) -> bool:
        return False

    def speak(self, clause: Clause) -> Underway:
        return Underway(partial(self._kokoro.speak, self._name, clause))


def silence(ids: Sequence[int], latents: KokoroLatents) -> float:
    """The share of a clause during which there is silence."""
    lengths = np.diff(latents.bounds)
    return float(lengths[[token in PAUSES for token in ids]].sum() / lengths.sum())


def _breaths(phonemes: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """Each word's position and sounds, in stretches that the model can take; a word of many sounds in pieces."""
    breath: list[tuple[int, str]] = []
    length = 0
    for i, sounds in enumerate(phonemes):
        for piece in wrap(sounds, BREATH // 2, break_on_hyphens=False) or [""]:
            if breath and length + len(piece) + 1 > BREATH:
                yield breath
                breath, length = [], 0
            breath.append((i, piece))
            length += len(piece) + 1
    yield breath


def read_styles(path: Path) -> Floats:
    """A voice's styles, [tokens, 1, 256]: one for each length of a text."""
    return np.fromfile(path, dtype=np.float32).reshape(-1, 1, 256)


def styled(styles: Floats, ids: Sequence[int]) -> Floats:
    """The style for a clause of these tokens with their pads, [1, 256]."""
    style: Floats = styles[min(len(ids) - 2, len(styles) - 1)]
    return style


def _language(voice: str) -> str:
    return "en-GB" if voice.startswith("b") else "en-US"
