"""Spoken turns with pauses in them, in the format of LiveKit's eot-bench, made with the voices of this machine.

    python -m bench.turn_ends.spoken FOLDER

A pause in the middle of a sentence is cut into the sentence as a whole, so that the voice does not fall before it. The
turns are those of spoken.json, and the finished texts of texts.json.
"""

import io
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import soxr
from pydantic import BaseModel

from audio.pcm import INPUT_RATE, Pcm
from bench.corpus import read_json
from bench.turn_ends.texts import TEXTS, Texts
from pipeline.settings import PipelineSettings
from pipeline.voice_catalogue import voices_at_hand
from pipeline.weights.store import ModelStore
from tts.frontend.clauses import ClauseSplitter
from tts.synthesizer import Voice

TURNS = Path(__file__).with_name("spoken.json")
FILE = Path("data/en/validation-00000-of-00001.parquet")

_VOICES_A_TURN = 2
_EDGE_S, _END_S = 0.4, 2.2
_MEDIAN_PAUSE_S, _SPREAD = 0.65, 0.45
"""Of the pauses, which are lognormal: most thinking pauses last for 0.3 to 1.5 s."""
_SHORTEST_S, _LONGEST_S = 0.25, 1.5
_NOISE_DB = -55.0
_PEAKS_DB = (-20.0, -4.0)
_FADE_S = 0.015
"""Of a word before a pause that is cut into a sentence."""
_AUDIBLE = 0.01
"""Share of the peak from which a sample is speech."""


class _Turn(BaseModel):
    text: str
    asked: str = ""


class _Turns(BaseModel):
    turns: list[_Turn]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One turn: its sound at 16 kHz, and its silences in seconds, the last of which is its end."""

    name: str
    pcm: Pcm
    silences: tuple[tuple[float, float], ...]
    asked: str


def make(voices: Sequence[tuple[str, Voice]]) -> Iterator[Spoken]:
    """Every turn in two of `voices`, which have names; the same for the same voices."""
    turns = [*read_json(TURNS, _Turns).turns, *(_Turn(text=text) for text in read_json(TEXTS, Texts).finished)]
    for number, turn in enumerate(turns):
        for k in range(_VOICES_A_TURN):
            name, voice = voices[(number * _VOICES_A_TURN + k) % len(voices)]
            yield _spoken(f"turn_{number:03}_{name}", turn, voice)


def write(folder: Path, turns: Sequence[Spoken]) -> None:
    """Write `turns` as a table into `folder`, in the layout of the published set."""
    rows = [
        {
            "id": turn.name,
            "language": "en",
            "audio": {"bytes": _wav(turn.pcm), "path": f"{turn.name}.wav"},
            "silence_spans": [{"start": start, "end": end} for start, end in turn.silences],
            "messages": [{"role": "assistant", "content": turn.asked}] if turn.asked else [],
        }
        for turn in turns
    ]
    file = folder / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), file)


def _spoken(name: str, turn: _Turn, voice: Voice) -> Spoken:
    chance = random.Random(name)
    stretches = [stretch for sentence in turn.text.split("||") for stretch in _stretches(sentence, voice)]
    gain = 10 ** (chance.uniform(*_PEAKS_DB) / 20) / max(float(np.abs(pcm).max()) for pcm in stretches)
    parts, silences, at = [_silence(_EDGE_S)], [], _EDGE_S
    for number, pcm in enumerate(stretches):
        is_last = number == len(stretches) - 1
        pause_s = (
            _END_S
            if is_last
            else float(np.clip(chance.lognormvariate(np.log(_MEDIAN_PAUSE_S), _SPREAD), _SHORTEST_S, _LONGEST_S))
        )
        parts += [pcm * gain, _silence(pause_s)]
        at += len(pcm) / INPUT_RATE
        silences.append((at, at + pause_s))
        at += pause_s
    pcm = np.concatenate(parts)
    noise = np.random.default_rng(len(pcm)).standard_normal(len(pcm)) * 10 ** (_NOISE_DB / 20)
    return Spoken(name, (pcm + noise).astype(np.float32), tuple(silences), turn.asked)


def _stretches(text: str, voice: Voice) -> list[Pcm]:
    """The sentence `text`, spoken at once and cut at its bars."""
    counts = np.cumsum([len(piece.split()) for piece in text.split("|")])[:-1]
    cuts, parts, words, length = [], [], 0, 0
    splitter = ClauseSplitter()
    for clause in (*splitter.push(text.replace("|", " ").strip() + " "), *splitter.flush()):
        ends = dict[int, int]()
        pieces = []
        for speech in voice.speak(clause):
            pieces.append(speech.pcm)
            ends |= {time.index: time.end for time in speech.words}
        for index, word in enumerate(clause.words):
            words += len(word.written.split())
            if words in counts:
                cuts.append(length + ends.get(index, sum(map(len, pieces))))
        parts += pieces
        length += sum(map(len, pieces))
    stretches = np.split(np.concatenate(parts), cuts)
    return [_trimmed(soxr.resample(pcm, voice.sample_rate, INPUT_RATE)) for pcm in stretches]


def _trimmed(pcm: Pcm) -> Pcm:
    """`pcm` without silence at its edges, and faded out."""
    audible = np.flatnonzero(np.abs(pcm) > _AUDIBLE * np.abs(pcm).max())
    cut = pcm[audible[0] : audible[-1] + 1].copy()
    fade = min(round(_FADE_S * INPUT_RATE), len(cut))
    cut[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return cut


def _silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * INPUT_RATE), np.float32)


def _wav(pcm: Pcm) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, pcm, INPUT_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def main(folder: Path) -> None:
    settings = PipelineSettings()
    catalogue = voices_at_hand(settings, ModelStore(settings.models.cache, settings.models.offline))
    names = [listed.voice.name for listed in catalogue.list() if listed.state == "on disk"]
    for name in names:
        catalogue.load(name)
    turns = []
    for turn in make([(name, catalogue.open(name)) for name in names]):
        print(turn.name, flush=True)  # noqa: T201
        turns.append(turn)
    write(folder, turns)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
