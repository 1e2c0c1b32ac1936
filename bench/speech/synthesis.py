"""Latency, cost and intelligibility of a voice."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import soxr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from audio.pcm import INPUT_RATE, Pcm
from bench.corpus import BadCorpus
from bench.report import GOOD, PALE, in_a_line, number
from bench.speech.wer import normalised, word_error_percent
from pipeline.encoders.encoder import Encoder
from pipeline.settings import VoiceSettings
from tts.engines.chunks import windows
from tts.engines.piper import PiperSynthesizer, phoneme_ids
from tts.engines.vits import Latents, VitsGraph
from tts.frontend.english.normalization import spoken_words
from tts.frontend.english.phonemes import EnglishPhonemizer
from tts.frontend.english.rules import MARKS
from tts.synthesizer import Clause, Voice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXTS = Path(__file__).with_name("sentences.txt")

_LONG_S = 3.0
"""Length from which a sentence should profit from streaming."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Medians of one sentence that was spoken several times."""

    text: str
    words: int
    audio_s: float
    first_chunk_ms: float
    """Time from the text to the first samples."""
    streamed_ms: float
    """Time from the text to the last samples, window by window."""
    at_once_ms: float
    """Time from the text to all samples, in one piece."""
    difference: float
    """Largest difference between samples of the two, made from the same latents."""
    heard: str


@dataclass(frozen=True, slots=True)
class Report:
    """Results of one voice."""

    voice: str
    repeats: int
    sentences: list[Sentence]

    def summary(self) -> dict[str, float | None]:
        sooner = [s.at_once_ms / s.first_chunk_ms for s in self.sentences if s.audio_s > _LONG_S]
        audio_ms = 1000 * sum(s.audio_s for s in self.sentences)
        return {
            "first_chunk_p50_ms": median(s.first_chunk_ms for s in self.sentences),
            "sooner_than_whole_over_3_s": min(sooner, default=None),
            "real_time_factor": sum(s.streamed_ms for s in self.sentences) / audio_ms,
            "real_time_factor_at_once": sum(s.at_once_ms for s in self.sentences) / audio_ms,
            "largest_difference": max(s.difference for s in self.sentences),
            "word_error_percent": word_error_percent([(s.text, s.heard) for s in self.sentences]),
        }

    def as_data(self) -> dict[str, object]:
        return {**asdict(self), "summary": self.summary()}

    def as_table(self) -> RenderableType:
        columns = ("words", "audio s", "first chunk ms", "streamed ms", "at once ms", "difference")
        table = Table(*columns, box=None, pad_edge=False)
        for s in self.sentences:
            times = (number(ms) for ms in (s.first_chunk_ms, s.streamed_ms, s.at_once_ms))
            table.add_row(str(s.words), number(s.audio_s, 1), *times, f"{s.difference:.0e}")
        wrong = [Text(f"heard: {s.heard}") for s in self.sentences if normalised(s.heard) != normalised(s.text)]
        return Group(table, in_a_line(self.summary()), *wrong)

    def draw(self, figure: "Figure") -> None:
        figure.set_size_inches(8, 3.2)
        axes = figure.subplots()
        seconds = [s.audio_s for s in self.sentences]
        axes.plot(seconds, [s.at_once_ms for s in self.sentences], "s", color=PALE, label="whole sentence at once")
        axes.plot(seconds, [s.first_chunk_ms for s in self.sentences], "o", color=GOOD, label="first chunk")
        axes.set_xlabel("length of the sentence, s")
        axes.set_ylabel("ms from words to sound")
        axes.set_ylim(bottom=0)
        axes.set_title(f"{self.voice}: what a listener waits for")
        axes.legend()


def measure(
    model: Path,
    settings: VoiceSettings,
    encoder: Encoder,
    texts: Sequence[str],
    repeats: int,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Speak each text as one clause with the Piper voice in `model`, and recognize it with `encoder`."""
    config = model.with_name(f"{model.name}.json")
    piper = PiperSynthesizer(model, config, speed=settings.speed, threads=settings.threads)
    bench = _Bench(piper, Whole(model, config, settings), encoder)
    speak(piper.open(piper.voices[0].name), clause(texts[0]))  # The first run is slower.
    sentences = []
    for text in texts:
        progress(text)
        sentences.append(bench.measure(text, repeats))
    return Report(piper.voices[0].name, repeats, sentences)


def read_texts(file: Path) -> list[str]:
    """The lines of `file`. Raises `BadCorpus`."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadCorpus(f"{file} can't be read: {error}") from error
    texts = [line for line in lines if any(map(str.isalpha, line))]
    if not texts:
        raise BadCorpus(f"{file} has no sentences")
    return texts


def clause(text: str) -> Clause:
    """`text` as a single clause."""
    bare = text.rstrip(MARKS)
    return Clause(tuple(spoken_words(bare)), text[len(bare) :][:1])


class Whole:
    """The voice without streaming: everything before the cut at once, then everything after it."""

    def __init__(self, model: Path, config: Path, settings: VoiceSettings) -> None:
        spec = json.loads(config.read_text(encoding="utf-8"))
        self.vits = VitsGraph(model, settings.threads)
        self._ids = spec["phoneme_id_map"]
        scales = spec["inference"]
        self._scales = (scales["noise_scale"], scales["length_scale"] / settings.speed, scales["noise_w"])
        self._phonemize = EnglishPhonemizer()

    def latents(self, spoken: Clause) -> Latents:
        phonemes = self._phonemize([word.spoken for word in spoken.words], spoken.stop)
        ids, _ = phoneme_ids(phonemes, spoken.stop, self._ids)
        return self.vits.latents(ids, *self._scales)

    def speak(self, spoken: Clause) -> tuple[Latents, Pcm]:
        latents = self.latents(spoken)
        return latents, self.vits.decode(latents, 0, latents.frames)


class _Bench:
    def __init__(self, piper: PiperSynthesizer, whole: Whole, encoder: Encoder) -> None:
        self._voice = piper.open(piper.voices[0].name)
        self._whole = whole
        self._encoder = encoder

    def measure(self, text: str, repeats: int) -> Sentence:
        spoken = clause(text)
        at_once_ms, difference = [], 0.0
        for _ in range(repeats):
            began = time.perf_counter()
            latents, pcm = self._whole.speak(spoken)
            at_once_ms.append((time.perf_counter() - began) * 1e3)
            parts = [self._whole.vits.decode(latents, *window) for window in windows(0, latents.frames)]
            difference = max(difference, float(np.max(np.abs(np.concatenate(parts) - pcm))))
        streamed = [speak(self._voice, spoken) for _ in range(repeats)]
        rate = self._voice.sample_rate
        return Sentence(
            text=text,
            words=len(text.split()),
            audio_s=median(len(pcm) for pcm, _, _ in streamed) / rate,
            first_chunk_ms=median(first for _, first, _ in streamed),
            streamed_ms=median(last for _, _, last in streamed),
            at_once_ms=median(at_once_ms),
            difference=difference,
            heard=recognized(self._encoder, streamed[-1][0], rate),
        )


def speak(voice: Voice, spoken: Clause) -> tuple[Pcm, float, float]:
    """The audio, and the milliseconds to its first chunk and to its last."""
    began = time.perf_counter()
    chunks, arrived_ms = [], []
    for speech in voice.speak(spoken):
        chunks.append(speech.pcm)
        arrived_ms.append((time.perf_counter() - began) * 1e3)
    return np.concatenate(chunks), arrived_ms[0], arrived_ms[-1]


def recognized(encoder: Encoder, pcm: Pcm, rate: int) -> str:
    """The recognized text."""
    stream = encoder.open()
    stream.push(soxr.resample(pcm, rate, INPUT_RATE))
    return stream.finish().text
