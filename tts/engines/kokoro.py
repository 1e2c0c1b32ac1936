"""Kokoro-82M in onnxruntime: many voices of one model, first chunk before the clause is finished, exact word times."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from textwrap import wrap

import numpy as np
from onnxruntime import RunOptions

from tts.engines.chunks import CHUNK_S, PAUSE_S, amplified, chunks, ended, windows
from tts.engines.kokoro_graph import HOP, Floats, KokoroGraph, KokoroLatents, load_norms
from tts.engines.kokoro_phonemes import PAUSES, token_ids
from tts.engines.speech_stream import SpeechStream, Stopped
from tts.engines.vits import run_until
from tts.frontend.english.phonemes import EnglishPhonemizer, Phonemizer
from tts.synthesizer import Clause, Speech, Voice, VoiceInfo, WordTime, check_known

RATE = 24_000
LEAD_FRAMES = 3
"""Frames kept before the first phoneme; whatever the model puts earlier is silence."""
TAIL_FRAMES = 6
"""Frames kept after the last phoneme, where a final consonant is released."""
WINDOWS = (28, 28, 40, 56)
"""Frames decoded at a time, besides an overlap that costs as much again. On an idle core, decoding takes a third of the
audio's duration; up to 0.53 of it, each window is ready before the previous one has been played."""
SEGMENT_SYMBOLS = 400
"""IPA symbols synthesized at a time. The model takes 510 tokens, and some symbols become two."""

NORMS = Path(__file__).with_name("kokoro_norms.npz")
"""Norms of the voices that can be used, written by `python -m bench.speech.kokoro_norms`."""


class KokoroSynthesizer:
    """One Kokoro model and its English voices. A voice whose name begins with "b" is British, any other American."""

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
        """Load the model and its voices.

        `voices`: files of float32 [510, 1, 256], each named after its voice; the first is the default. `speed` 2 talks
        twice as fast. `gains_db`: gain that makes each voice as loud as the others. `norms`: file written by
        `save_norms`. Raises `ValueError` if a voice has no norms, `UnknownGraph` for a different graph.
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

    def speak(self, voice: str, speed: float, clause: Clause, stopped: Stopped) -> Iterator[Speech]:
        """Synthesize `clause` in `voice`, `speed` times as fast as usual, chunk by chunk.

        It ends early when `stopped` is done or the iterator is dropped.
        """
        run = run_until(stopped)
        phonemes = self._phonemizer([word.spoken for word in clause.words], clause.stop)
        start, last_reported = 0, -1
        segments = list(_segments(phonemes))
        for i, segment in enumerate(segments):
            stop = clause.stop if i == len(segments) - 1 else ""
            made = 0
            for speech in self._segment(voice, speed, [sounds for _, sounds in segment], stop, run):
                times = [(segment[word.index][0], start + word.start, start + word.end) for word in speech.words]
                words = tuple(WordTime(*time) for time in times if time[0] > last_reported)
                last_reported = words[-1].index if words else last_reported
                made += speech.pcm.size
                yield Speech(speech.pcm, words)
            start += made

    def _segment(
        self, voice: str, speed: float, phonemes: Sequence[str], stop: str, run: RunOptions
    ) -> Iterator[Speech]:
        speed *= self._speed
        ids, spans = token_ids(phonemes, stop, british=voice.startswith("b"))
        if not any(first < last for first, last in spans):
            yield Speech(np.zeros(0, dtype=np.float32), tuple(WordTime(i, 0, 0) for i in range(len(spans))))
            return
        latents = self.graph.latents(ids, styled(self._styles[voice], ids), speed, run)
        bounds = latents.bounds
        layers = self.norms[voice].at(silence(ids, latents))
        voiced = [(int(bounds[first]), int(bounds[last])) for first, last in spans]
        start = max(0, voiced[0][0] // HOP - LEAD_FRAMES)
        end = min(latents.frames, voiced[-1][1] // HOP + TAIL_FRAMES)
        times = [WordTime(i, a - start * HOP, b - start * HOP) for i, (a, b) in enumerate(voiced)]
        pause = round(PAUSE_S.get(stop, 0.0) / speed * RATE)
        gain = self._gains.get(voice, 1.0)
        parts = (
            amplified(self.graph.decode(latents, layers, *window, run), gain) for window in windows(start, end, WINDOWS)
        )
        # The model counts some of the silence that follows as part of the last word.
        yield from chunks(ended(parts, pause, times[-1].end), 0, times, round(CHUNK_S * RATE))


class _KokoroVoice:
    def __init__(self, synthesizer: KokoroSynthesizer, name: str, speed: float = 1.0) -> None:
        self._synthesizer = synthesizer
        self._name = name
        self._speed = speed

    @property
    def sample_rate(self) -> int:
        return RATE

    @property
    def waits(self) -> bool:
        return False

    def at_speed(self, speed: float) -> "_KokoroVoice":
        return _KokoroVoice(self._synthesizer, self._name, self._speed * speed)

    def speak(self, clause: Clause) -> SpeechStream:
        return SpeechStream(partial(self._synthesizer.speak, self._name, self._speed, clause))


def silence(ids: Sequence[int], latents: KokoroLatents) -> float:
    """Share of a clause's duration that is silence, from 0 to 1. `ids`: its tokens, including the pads."""
    lengths = np.diff(latents.bounds)
    return float(lengths[[token in PAUSES for token in ids]].sum() / lengths.sum())


def _segments(phonemes: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """Each word's position and phonemes, in segments short enough for the model; a very long word comes in pieces."""
    segment: list[tuple[int, str]] = []
    length = 0
    for i, sounds in enumerate(phonemes):
        for piece in wrap(sounds, SEGMENT_SYMBOLS // 2, break_on_hyphens=False) or [""]:
            if segment and length + len(piece) + 1 > SEGMENT_SYMBOLS:
                yield segment
                segment, length = [], 0
            segment.append((i, piece))
            length += len(piece) + 1
    yield segment


def read_styles(path: Path) -> Floats:
    """Styles of a voice, float32 [tokens, 1, 256]: one for each length of a clause in tokens."""
    return np.fromfile(path, dtype=np.float32).reshape(-1, 1, 256)


def styled(styles: Floats, ids: Sequence[int]) -> Floats:
    """The style for a clause with these tokens (including the pads), float32 [1, 256]."""
    style: Floats = styles[min(len(ids) - 2, len(styles) - 1)]
    return style


def _language(voice: str) -> str:
    return "en-GB" if voice.startswith("b") else "en-US"
