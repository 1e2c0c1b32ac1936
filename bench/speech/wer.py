"""Accuracy and cost of recognition: Whisper on padded 30 s windows compared with incremental Whisper."""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jiwer
import numpy as np
from num2words import num2words
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from audio.pcm import INPUT_RATE, Pcm
from bench.corpus import Recording
from bench.report import BAD, GOOD, PALE, number, percentile
from pipeline.encoders.logmel import HOP, LogMel, LogMels
from pipeline.encoders.whisper.guards import Hypothesis
from pipeline.encoders.whisper.model import FULL_FRAMES, Encoding
from pipeline.encoders.whisper.whisper import WhisperEncoder
from pipeline.settings import EncoderSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLOCK = INPUT_RATE // 50
"""Samples per push: 20 ms, as from a microphone."""
_PADDED_TOKENS = 224
_NEVER_S = 1e9
"""A hop so long that only the end of the turn is recognized."""
_EXPANDED = jiwer.ExpandCommonEnglishContractions()


@dataclass(frozen=True, slots=True)
class Way:
    """Figures of one way to recognize all recordings. Times are milliseconds of wall time."""

    word_error_percent: float
    repeated: int
    """Recordings whose words were written more often than they were said."""
    looks: int
    encoder_ms: float
    """Mean per decoding."""
    decoder_ms: float
    """Mean per decoding."""
    finish_p50_ms: float | None
    """Time from the last sample to the text."""
    finish_p90_ms: float | None
    second_opinions: int
    wrong: dict[str, str]
    """Recognized texts that differ from what was said, by recording."""


@dataclass(frozen=True, slots=True)
class Report:
    """Results of all ways to recognize speech."""

    model: str
    recordings: int
    ways: dict[str, Way]

    def as_data(self) -> dict[str, object]:
        return asdict(self)

    def as_table(self) -> RenderableType:
        names = [field.name for field in fields(Way) if field.name != "wrong"]
        table = Table("", *(name.replace("_", " ") for name in names), box=None, pad_edge=False)
        for name, way in self.ways.items():
            table.add_row(name, *(number(getattr(way, figure), 1) for figure in names))
        wrong = [Text(f"{name}: {at}: {text}") for name, way in self.ways.items() for at, text in way.wrong.items()]
        return Group(table, *wrong)

    def draw(self, figure: "Figure") -> None:
        figure.set_size_inches(8, 0.3 * len(self.ways) + 1.2)
        names = list(self.ways)
        panels = {
            "word errors, %": [way.word_error_percent for way in self.ways.values()],
            "encoder, ms a look": [way.encoder_ms for way in self.ways.values()],
            "decoder, ms a look": [way.decoder_ms for way in self.ways.values()],
            "last sample to text, p50 ms": [way.finish_p50_ms or 0 for way in self.ways.values()],
        }
        colours = [BAD, PALE, GOOD]
        row = figure.subplots(1, len(panels), sharey=True)
        row[0].invert_yaxis()
        for axes, (title, values) in zip(row, panels.items(), strict=True):
            axes.bar_label(axes.barh(names, values, color=colours), fmt=" %.1f")
            axes.set_title(title, fontsize="medium")
            axes.margins(x=0.3)
            axes.xaxis.set_visible(False)


class TimedWhisperEncoder(WhisperEncoder):
    """Records the duration of each of the model's calls, by name."""

    def __init__(self, folder: Path, compute_type: str, threads: int, hop_s: float = 0.25) -> None:
        self.spent_ms: defaultdict[str, list[float]] = defaultdict(list)
        super().__init__(folder, compute_type, threads, hop_s)

    def encode(self, log_mels: LogMels) -> Encoding:
        with self._timed("encode"):
            return super().encode(log_mels)

    def encode_padded(self, log_mels: LogMels) -> Encoding:
        with self._timed("encode_padded"):
            return super().encode_padded(log_mels)

    def decode(self, *args: Any, **kwargs: Any) -> Hypothesis:  # noqa: ANN401
        with self._timed("decode"):
            return super().decode(*args, **kwargs)

    @contextmanager
    def _timed(self, call: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.spent_ms[call].append((time.perf_counter() - began) * 1e3)


def measure(
    folder: Path, settings: EncoderSettings, recordings: Sequence[Recording], progress: Callable[[str], None]
) -> Report:
    """Recognize all of `recordings` (16 kHz) in every way, with the model in `folder`."""
    ways: dict[str, Way] = {}
    for name, listen in _WAYS.items():
        progress(name)
        hop = {"hop_s": _NEVER_S} if listen is _at_once else {}
        whisper = TimedWhisperEncoder(folder, settings.compute_type, settings.threads, **hop)
        whisper.warm_up()
        whisper.spent_ms.clear()
        heard = [listen(whisper, recording.pcm) for recording in recordings]
        ways[name] = _summed_up(whisper.spent_ms, recordings, heard, listen is _padded)
    return Report(settings.model, len(recordings), ways)


def joined(recordings: Sequence[Recording]) -> list[Recording]:
    """Each of the recordings with the next one after it: two sentences in one turn, and the silence between."""
    after = [*recordings[1:], recordings[0]]
    return [
        replace(
            one,
            name=f"{one.name} {other.name}",
            text=f"{one.text} {other.text}",
            pcm=np.concatenate((one.pcm, other.pcm)),
        )
        for one, other in zip(recordings, after, strict=True)
    ]


def altered(recordings: Sequence[Recording], snr_db: float | None, gain_db: float) -> list[Recording]:
    """The recordings with white noise `snr` dB below their mean power, and amplified by `gain` dB."""
    noise = np.random.default_rng(0)
    return [replace(recording, pcm=_altered(recording.pcm, snr_db, gain_db, noise)) for recording in recordings]


def word_error_percent(pairs: Sequence[tuple[str, str]]) -> float:
    """Word error rate over all pairs (said, heard), in percent.

    Case, punctuation, and compounds written as one word or two do not count.
    """
    plain = [(normalised(said), normalised(heard)) for said, heard in pairs]
    texts = [(_spelled_as(heard, said), _spelled_as(said, heard)) for said, heard in plain]
    return 100 * float(jiwer.wer([said for said, _ in texts], [heard for _, heard in texts]))


def repeated(said: str, heard: str) -> bool:
    """Whether the last words of `heard` are there twice in a row, and those of `said` are not."""
    return _ends_twice(normalised(heard).split()) and not _ends_twice(normalised(said).split())


def _ends_twice(words: Sequence[str]) -> bool:
    return any(words[-size:] == words[-2 * size : -size] for size in range(1, len(words) // 2 + 1))


def normalised(text: str) -> str:
    """Lower case, no punctuation, numbers as words, American "color", "it is" for "it's"."""
    text = str(_EXPANDED(text.lower().replace("’", "'").replace("colour", "color")))
    text = re.sub(r"\$(\d+)", r"\1 dollars", text)
    text = re.sub(r"[^\w\s]", "", text.replace("-", " "))
    text = re.sub(r"\d+", lambda digits: str(num2words(int(digits[0]))).replace("-", " "), text)
    return " ".join(text.split())


def _spelled_as(other: str, text: str) -> str:
    """`text` with pairs of words joined where `other` has the joined word: "rain coat" and "raincoat"."""
    compounds = set(other.split())
    words: list[str] = []
    for word in text.split():
        if words and words[-1] + word in compounds:
            words[-1] += word
        else:
            words.append(word)
    return " ".join(words)


def _padded(whisper: TimedWhisperEncoder, pcm: Pcm) -> tuple[str, float]:
    """The usual way: wait for all audio, cut it every 30 s, pad the rest, and only then begin."""
    began = time.perf_counter()
    texts = []
    for start in range(0, len(pcm), FULL_FRAMES * HOP):
        mel = LogMel(whisper.n_mels)
        mel.push(pcm[start : start + FULL_FRAMES * HOP])
        encoding = whisper.encode_padded(mel.unscaled())
        texts.append(whisper.decode(encoding, whisper.language(encoding), _PADDED_TOKENS).text)
    return "".join(texts), (time.perf_counter() - began) * 1e3


def _at_once(whisper: TimedWhisperEncoder, pcm: Pcm) -> tuple[str, float]:
    """Spliced instead of padded, but only after all audio has arrived."""
    stream = whisper.open()
    began = time.perf_counter()
    stream.push(pcm)
    text = stream.finish().text
    return text, (time.perf_counter() - began) * 1e3


def _listening(whisper: TimedWhisperEncoder, pcm: Pcm) -> tuple[str, float]:
    """Incrementally, block by block, as it is spoken."""
    stream = whisper.open()
    for start in range(0, len(pcm), _BLOCK):
        stream.push(pcm[start : start + _BLOCK])
    began = time.perf_counter()
    text = stream.finish().text
    return text, (time.perf_counter() - began) * 1e3


_WAYS = {"padded": _padded, "at once": _at_once, "listening": _listening}


def _summed_up(
    spent_ms: dict[str, list[float]],
    recordings: Sequence[Recording],
    heard: Sequence[tuple[str, float]],
    padded: bool,
) -> Way:
    looks = spent_ms["encode_padded"] if padded else spent_ms["encode"]
    finish_ms = [ms for _, ms in heard]
    texts = {recording.name: (recording.text, text) for recording, (text, _) in zip(recordings, heard, strict=True)}
    return Way(
        word_error_percent=word_error_percent(list(texts.values())),
        repeated=sum(repeated(said, text) for said, text in texts.values()),
        looks=len(looks),
        encoder_ms=float(np.mean(looks)),
        decoder_ms=float(np.mean(spent_ms["decode"])),
        finish_p50_ms=percentile(finish_ms, 50),
        finish_p90_ms=percentile(finish_ms, 90),
        second_opinions=0 if padded else len(spent_ms["encode_padded"]),
        wrong={name: text for name, (said, text) in texts.items() if normalised(said) != normalised(text)},
    )


def _altered(pcm: Pcm, snr_db: float | None, gain_db: float, noise: np.random.Generator) -> Pcm:
    if snr_db is not None:
        power = float(np.mean(pcm**2)) / 10 ** (snr_db / 10)
        pcm = pcm + noise.standard_normal(len(pcm), np.float32) * np.float32(power**0.5)
    louder: Pcm = (pcm * 10 ** (gain_db / 20)).astype(np.float32)
    return louder
