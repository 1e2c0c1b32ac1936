"""All available voices compared: latency, cost, loudness and intelligibility."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import av
import av.filter
import numpy as np
import soxr
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from audio.errors import PlainError
from audio.pcm import Pcm
from bench.report import GOOD, LINE, PALE, number
from bench.speech import cutting_off
from bench.speech.cutting_off import CutOff
from bench.speech.synthesis import Whole, clause, recognized, speak
from bench.speech.wer import normalised, word_error_percent
from pipeline.encoders.encoder import Encoder
from pipeline.settings import PipelineSettings
from pipeline.voice_catalogue import VoiceCatalogue, VoiceGroup, voices_at_hand
from pipeline.weights.store import ModelStore
from tts.engines.chunks import windows
from tts.engines.kokoro import WINDOWS, KokoroSynthesizer, read_styles, silence, styled
from tts.engines.kokoro_phonemes import token_ids
from tts.frontend.english.phonemes import EnglishPhonemizer
from tts.synthesizer import Clause, Synthesizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LENGTHS_S = (2.0, 4.0)
"""Bounds between short, medium and long sentences."""
_LEGEND = (
    "ms to the first chunk by the length of the sentence, and the worst as a share of the whole; seconds of work for "
    "one of speech; dBFS between windows and one piece"
)
_CUT_OFF_LEGEND = "ms from the moment that an answer is cut off until its voice stops, and to make the slowest chunk"
_METER_RATE = 48_000
"""Hz for which the filters of ITU-R BS.1770 are defined."""


class NoVoice(PlainError):
    """There is no voice to measure. The message states why."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in one voice."""

    text: str
    audio_s: float
    first_chunk_ms: float
    """Time from the text to the first samples."""
    streamed_ms: float
    """Time from the text to the last samples."""
    at_once_ms: float | None
    """Time from the text to all samples in one piece; None: the engine does not support that."""
    difference_dbfs: float | None
    """Largest difference between samples of the two, made from the same latents."""
    heard: str


@dataclass(frozen=True, slots=True)
class VoiceFigures:
    """Figures of one voice."""

    name: str
    engine: str
    language: str
    sentences: list[Sentence]
    real_time_factor: float
    """Real-time factor over all sentences, on one core."""
    real_time_factor_two_cores: float | None
    """None: the same as that of the engine's first voice."""
    loudness_lufs: float
    cut_off: CutOff | None
    """None: the voice is computed elsewhere."""

    @property
    def word_error_percent(self) -> float:
        return word_error_percent([(s.text, s.heard) for s in self.sentences])

    @property
    def difference_dbfs(self) -> float | None:
        return max((s.difference_dbfs for s in self.sentences if s.difference_dbfs is not None), default=None)

    @property
    def first_chunk_percent(self) -> float | None:
        """Time to the first chunk as a percentage of that for the whole sentence; the worst one that is not short."""
        long = [s for s in self.sentences if s.audio_s > LENGTHS_S[0] and s.at_once_ms is not None]
        return max((100 * s.first_chunk_ms / s.at_once_ms for s in long if s.at_once_ms is not None), default=None)

    def first_chunks_ms(self) -> Iterator[float | None]:
        """Median times for short, medium and long sentences."""
        bounds = (0.0, *LENGTHS_S, float("inf"))
        for least, most in pairwise(bounds):
            times = [s.first_chunk_ms for s in self.sentences if least < s.audio_s <= most]
            yield median(times) if times else None


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of all voices."""

    voices: list[VoiceFigures]

    def as_data(self) -> dict[str, object]:
        return {"voices": [{**asdict(voice), **_derived(voice)} for voice in self.voices]}

    def as_table(self) -> RenderableType:
        short, long = LENGTHS_S
        columns = ("voice", f"to {short:g} s", f"to {long:g} s", "longer", "% of whole")
        table = Table(*columns, "1 core", "2 cores", "seams", "WER %", "LUFS", box=None, pad_edge=False)
        table.columns[0].no_wrap = True
        for voice in self.voices:
            table.add_row(
                voice.name,
                *map(number, voice.first_chunks_ms()),
                number(voice.first_chunk_percent),
                number(voice.real_time_factor, 2),
                number(voice.real_time_factor_two_cores, 2),
                number(voice.difference_dbfs),
                number(voice.word_error_percent, 1),
                number(voice.loudness_lufs, 1),
            )
        wrong = [
            Text(f"{voice.name} heard: {s.heard}", "dim")
            for voice in self.voices
            for s in voice.sentences
            if normalised(s.heard) != normalised(s.text)
        ]
        return Group(table, Text(_LEGEND, "dim"), self._cut_off(), Text(_CUT_OFF_LEGEND, "dim"), *wrong)

    def _cut_off(self) -> Table:
        table = Table("voice", "stops within", "longest", "a chunk", box=None, pad_edge=False)
        for voice in self.voices:
            if (cut := voice.cut_off) is not None:
                table.add_row(voice.name, *map(number, (median(cut.stops_ms), max(cut.stops_ms), cut.chunk_ms)))
        return table

    def draw(self, figure: "Figure") -> None:
        figure.set_size_inches(9, 3.6)
        soon, cost = figure.subplots(1, 2)
        for colour, mark, engine in zip((LINE, GOOD, PALE), "so^", self._engines(), strict=False):
            of = [s for voice in self.voices if voice.engine == engine for s in voice.sentences]
            soon.plot([s.audio_s for s in of], [s.first_chunk_ms for s in of], mark, color=colour, label=engine)
        soon.set_xlabel("length of the sentence, s")
        soon.set_ylabel("ms to the first chunk")
        soon.set_ylim(bottom=0)
        soon.legend()
        rows = np.arange(len(self.voices))
        cost.barh(rows, [voice.real_time_factor for voice in self.voices], 0.4, color=GOOD, label="one core")
        two = [voice.real_time_factor_two_cores or 0 for voice in self.voices]
        cost.barh(rows + 0.4, two, 0.4, color=PALE, label="two cores")
        cost.axvline(1, color=LINE, linestyle=":")
        cost.set_yticks(rows, [voice.name for voice in self.voices])
        cost.invert_yaxis()
        cost.set_xlabel("seconds of work for a second of speech")
        cost.legend()

    def _engines(self) -> list[str]:
        return list(dict.fromkeys(voice.engine for voice in self.voices))


def measure(
    settings: PipelineSettings,
    store: ModelStore,
    encoder: Encoder,
    names: Sequence[str] | None,
    texts: Sequence[str],
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Speak each text as one clause in each voice of `names` (None: all available). Raises `NoVoice`."""
    choir = voices_at_hand(_with_threads(settings, 1), store)
    wanted = list(names) if names is not None else [voice.name for voice in choir.voices]
    if unknown := set(wanted) - {voice.name for voice in choir.voices}:
        here = ", ".join(voice.name for voice in choir.voices)
        raise NoVoice(f"there is no voice {', '.join(sorted(unknown))} at hand; there are {here}")
    measured = []
    for part in choir.parts:
        chosen = [voice for voice in part.voices if voice.name in wanted]
        if not chosen:
            continue
        synthesizer = part.load()
        two_cores = _two_cores(settings, store, chosen[0].name, part, texts, progress)
        for voice in chosen:
            bench = _Bench(synthesizer, voice.name, store, encoder)
            sentences = []
            for text in texts:
                progress(f"{voice.name}: {text}")
                sentences.append(bench.measure(text))
            factor = sum(s.streamed_ms for s in sentences) / sum(1000 * s.audio_s for s in sentences)
            two = two_cores if voice is chosen[0] else None
            loud = loudness_lufs(np.concatenate(bench.spoken), bench.rate)
            cut = cutting_off.measure(synthesizer.open(voice.name), [*map(clause, texts)]) if part.embedded else None
            measured.append(VoiceFigures(voice.name, part.engine, voice.language, sentences, factor, two, loud, cut))
    return Report(measured)


def loudness_lufs(pcm: Pcm, rate: int) -> float:
    """Integrated loudness by ITU-R BS.1770, as FFmpeg's ebur128 computes it."""
    audio = soxr.resample(pcm, rate, _METER_RATE).astype(np.float32)
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=_METER_RATE, format="flt", layout="mono")
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(audio[None, :], format="flt", layout="mono")
    frame.sample_rate = _METER_RATE
    source.push(frame)
    source.push(None)
    loudness = "-inf"
    while True:
        try:
            loudness = sink.pull().metadata.get("lavfi.r128.I", loudness)
        except (av.EOFError, av.BlockingIOError):
            return float(loudness)


class _Bench:
    """Measures one voice, on one core."""

    def __init__(self, synthesizer: Synthesizer, name: str, store: ModelStore, encoder: Encoder) -> None:
        self._voice = synthesizer.open(name)
        self._at_once = _at_once(synthesizer, name, store)
        self._encoder = encoder
        self.rate = self._voice.sample_rate
        self.spoken: list[Pcm] = []
        """All its audio so far."""
        speak(self._voice, clause("Good morning."))  # The first run is slower.

    def measure(self, text: str) -> Sentence:
        spoken = clause(text)
        pcm, first_ms, last_ms = speak(self._voice, spoken)
        self.spoken.append(pcm)
        at_once = self._at_once(spoken) if self._at_once is not None else None
        return Sentence(
            text=text,
            audio_s=len(pcm) / self.rate,
            first_chunk_ms=first_ms,
            streamed_ms=last_ms,
            at_once_ms=at_once[0] if at_once else None,
            difference_dbfs=at_once[1] if at_once else None,
            heard=recognized(self._encoder, pcm, self.rate),
        )


AtOnce = Callable[[Clause], tuple[float, float]]
"""Milliseconds for a clause in one piece, and the difference of windows from it, in dBFS."""


def _at_once(synthesizer: Synthesizer, name: str, store: ModelStore) -> AtOnce | None:
    if isinstance(synthesizer, KokoroSynthesizer):
        return _kokoro_at_once(synthesizer, name, store)
    if name in store.models:
        model = store.resolve(name)
        whole = Whole(model, model.with_name(f"{model.name}.json"), PipelineSettings().voice)

        def piper(spoken: Clause) -> tuple[float, float]:
            began = time.perf_counter()
            latents, pcm = whole.speak(spoken)
            took_ms = (time.perf_counter() - began) * 1e3
            parts = [whole.vits.decode(latents, *window) for window in windows(0, latents.frames)]
            return took_ms, _dbfs(np.concatenate(parts) - pcm)

        return piper
    return None


def _kokoro_at_once(kokoro: KokoroSynthesizer, name: str, store: ModelStore) -> AtOnce:
    styles = read_styles(store.resolve("kokoro-voices") / f"{name}.bin")
    phonemize = EnglishPhonemizer()

    def at_once(spoken: Clause) -> tuple[float, float]:
        began = time.perf_counter()
        sounds = phonemize([word.spoken for word in spoken.words], spoken.stop)
        ids, _ = token_ids(sounds, spoken.stop, british=name.startswith("b"))
        latents = kokoro.graph.latents(ids, styled(styles, ids), speed=1.0)
        layers = kokoro.norms[name].at(silence(ids, latents))
        pcm = kokoro.graph.decode(latents, layers, 0, latents.frames)
        took_ms = (time.perf_counter() - began) * 1e3
        parts = [kokoro.graph.decode(latents, layers, *window) for window in windows(0, latents.frames, WINDOWS)]
        return took_ms, _dbfs(np.concatenate(parts) - pcm)

    return at_once


def _two_cores(
    settings: PipelineSettings,
    store: ModelStore,
    name: str,
    part: VoiceGroup,
    texts: Sequence[str],
    progress: Callable[[str], None],
) -> float | None:
    """Real-time factor of a voice; None if it is computed elsewhere."""
    if not part.embedded:
        return None
    progress(f"{name} on two cores")
    choir: VoiceCatalogue = voices_at_hand(_with_threads(settings, 2), store)
    choir.load(name)
    voice, samples, began = choir.open(name), 0, time.perf_counter()
    for text in texts:
        samples += sum(speech.pcm.size for speech in voice.speak(clause(text)))
    return (time.perf_counter() - began) * voice.sample_rate / samples


def _with_threads(settings: PipelineSettings, threads: int) -> PipelineSettings:
    return settings.model_copy(update={"voice": settings.voice.model_copy(update={"threads": threads})})


def _derived(voice: VoiceFigures) -> dict[str, object]:
    return {
        "word_error_percent": voice.word_error_percent,
        "difference_dbfs": voice.difference_dbfs,
        "first_chunk_percent": voice.first_chunk_percent,
        "first_chunks_ms": list(voice.first_chunks_ms()),
    }


def _dbfs(difference: Pcm) -> float:
    return float(20 * np.log10(np.max(np.abs(difference)) + 1e-12))
