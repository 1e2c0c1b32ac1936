"""How well and how dearly speech is recognized: Whisper padded to 30 s against Whisper listening along.

    python -m bench.wer FOLDER [--kinds turn,pause] [--snr DB] [--gain DB] [--json]

FOLDER holds WAV files (16 kHz mono PCM16) and a manifest.json whose items have `file`, `kind` and `text`.
"""

import json
import re
import time
import wave
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import jiwer
import numpy as np
import typer
from num2words import num2words
from rich.console import Console
from rich.table import Table

from pipeline.encoders.encoder import ENCODER_RATE
from pipeline.encoders.guards import Hypothesis
from pipeline.encoders.logmel import HOP, LogMel, LogMels
from pipeline.encoders.whisper import FULL_FRAMES, Encoding, Whisper
from pipeline.models import ModelStore
from pipeline.settings import EncoderSettings
from tts.synthesizer import Pcm

BLOCK = ENCODER_RATE // 50
"""Samples in a push: 20 ms, as a microphone sends them."""
PADDED_TOKENS = 224
NEVER_S = 1e9
"""A hop that never comes: the only look is the last."""


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    text: str
    pcm: Pcm


@dataclass(frozen=True, slots=True)
class Result:
    """One way of listening over all recordings; times are milliseconds of wall time."""

    wer_percent: float
    looks: int
    encoder_ms: float
    """Mean of a look."""
    decoder_ms: float
    """Mean of a look."""
    finish_ms_p50: float
    """From the last sample to the text."""
    finish_ms_p90: float
    second_opinions: int
    wrong: dict[str, str] = field(default_factory=dict)
    """What was heard where it differs from what was said."""


class TimedWhisper(Whisper):
    """Notes how long each of the model's calls took, by the call's name."""

    def __init__(self, folder: Path, compute_type: str, threads: int, hop_s: float = 0.5) -> None:
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


def padded(whisper: TimedWhisper, pcm: Pcm) -> tuple[str, float]:
    """What everyone does: wait for all of it, cut it every 30 s, pad the rest, and only then begin."""
    began = time.perf_counter()
    texts = []
    for start in range(0, len(pcm), FULL_FRAMES * HOP):
        mel = LogMel(whisper.n_mels)
        mel.push(pcm[start : start + FULL_FRAMES * HOP])
        encoding = whisper.encode_padded(mel.unscaled())
        texts.append(whisper.decode(encoding, whisper.language(encoding), PADDED_TOKENS).text)
    return "".join(texts), (time.perf_counter() - began) * 1e3


def at_once(whisper: TimedWhisper, pcm: Pcm) -> tuple[str, float]:
    """Spliced instead of padded, but only when all of it is there."""
    stream = whisper.open()
    began = time.perf_counter()
    stream.push(pcm)
    text = stream.finish().text
    return text, (time.perf_counter() - began) * 1e3


def listening(whisper: TimedWhisper, pcm: Pcm) -> tuple[str, float]:
    """Block by block, as it is spoken."""
    stream = whisper.open()
    for start in range(0, len(pcm), BLOCK):
        stream.push(pcm[start : start + BLOCK])
    began = time.perf_counter()
    text = stream.finish().text
    return text, (time.perf_counter() - began) * 1e3


WAYS = {"padded": padded, "at once": at_once, "listening": listening}


def measure(folder: Path, settings: EncoderSettings, way: str, recordings: Sequence[Recording]) -> Result:
    hops = {"hop_s": NEVER_S} if way == "at once" else {}
    whisper = TimedWhisper(folder, settings.compute_type, settings.threads, **hops)
    whisper.warm_up()
    whisper.spent_ms.clear()
    heard = [WAYS[way](whisper, recording.pcm) for recording in recordings]
    spent = whisper.spent_ms
    said = [normalised(recording.text) for recording in recordings]
    found = [normalised(text) for text, _ in heard]
    finish_ms = [ms for _, ms in heard]
    looks = spent["encode_padded"] if way == "padded" else spent["encode"]
    return Result(
        wer_percent=100 * jiwer.wer(said, found),
        looks=len(looks),
        encoder_ms=float(np.mean(looks)),
        decoder_ms=float(np.mean(spent["decode"])),
        finish_ms_p50=float(np.percentile(finish_ms, 50)),
        finish_ms_p90=float(np.percentile(finish_ms, 90)),
        second_opinions=0 if way == "padded" else len(spent["encode_padded"]),
        wrong={r.name: text for r, (text, _), a, b in zip(recordings, heard, said, found, strict=True) if a != b},
    )


def recordings_of(folder: Path, kinds: Sequence[str], snr_db: float | None, gain_db: float) -> list[Recording]:
    items = json.loads((folder / "manifest.json").read_text())["items"]
    noise = np.random.default_rng(0)
    return [
        Recording(item["file"], item["text"], altered(read(folder / item["file"]), snr_db, gain_db, noise))
        for item in items
        if item["kind"] in kinds
    ]


def read(path: Path) -> Pcm:
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (ENCODER_RATE, 1, 2):
            raise typer.BadParameter(f"{path} is not 16 kHz mono PCM16")
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
    return samples / np.float32(32768)


def altered(pcm: Pcm, snr_db: float | None, gain_db: float, noise: np.random.Generator) -> Pcm:
    """`pcm` with white noise so far below its mean power, and then louder or softer."""
    if snr_db is not None:
        power = float(np.mean(pcm**2)) / 10 ** (snr_db / 10)
        pcm = pcm + noise.standard_normal(len(pcm), np.float32) * np.float32(power**0.5)
    louder: Pcm = (pcm * 10 ** (gain_db / 20)).astype(np.float32)
    return louder


def normalised(text: str) -> str:
    """Lower case, no punctuation, numbers as words, American "color"."""
    text = re.sub(r"\$(\d+)", r"\1 dollars", text.lower().replace("colour", "color"))
    text = re.sub(r"[^\w\s]", "", text.replace("-", " "))
    text = re.sub(r"\d+", lambda digits: str(num2words(int(digits[0]))).replace("-", " "), text)
    return " ".join(text.split())


def main(
    folder: Annotated[Path, typer.Argument(help="WAV files and a manifest.json.")],
    kinds: Annotated[str, typer.Option(help="Which recordings, by their kind.")] = "turn,pause",
    model: Annotated[str, typer.Option(help="A name from `antiphon models`, or a folder.")] = "",
    snr: Annotated[float | None, typer.Option(help="Add white noise this many dB below the speech.")] = None,
    gain: Annotated[float, typer.Option(help="Make it louder or softer by this many dB.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    settings = EncoderSettings()
    weights = ModelStore().resolve(model or settings.model)
    recordings = recordings_of(folder, kinds.split(","), snr, gain)
    results = {way: measure(weights, settings, way, recordings) for way in WAYS}
    if as_json:
        print(json.dumps({way: asdict(result) for way, result in results.items()}, indent=2))  # noqa: T201
        return
    table = Table("", "WER %", "looks", "encoder ms", "decoder ms", "finish p50 ms", "p90 ms", "second opinions")
    for way, result in results.items():
        *numbers, opinions, _ = asdict(result).values()
        table.add_row(
            way, *(f"{number:.1f}" if isinstance(number, float) else str(number) for number in numbers), str(opinions)
        )
    console = Console()
    console.print(table)
    for way, result in results.items():
        for name, text in result.wrong.items():
            console.print(f"{way}: {name}: {text}", highlight=False)


if __name__ == "__main__":
    typer.run(main)
