"""Published sets of spoken questions, in the layout of their hub: Big Bench Audio and Spoken-MQA."""

import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from audio.pcm import Pcm
from audio.sound_file import read_wav
from bench.conversations.questions import AudioFile, Question, is_checkable
from bench.corpus import BadCorpus
from pipeline.backends import MissingPackage, not_installed
from realtime.protocol.audio_format import WIRE_RATE

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile


def read_dataset(folder: Path, count: int | None, seed: int = 0) -> list[Question]:
    """`count` questions from `folder`, equally many of each category; None: all. Raises `PlainError`.

    Big Bench Audio: https://huggingface.co/datasets/ArtificialAnalysis/big_bench_audio (metadata.jsonl and audio files;
    or its copies in parquet). Spoken-MQA: https://huggingface.co/datasets/amao0o0/spoken-mqa (parquet).
    """
    lines, tables = folder / "metadata.jsonl", sorted(folder.rglob("*.parquet"))
    if lines.is_file():
        questions = list(_of_lines(lines))
    elif tables:
        questions = [question for table in tables for question in _of_table(table)]
    else:
        raise BadCorpus(f"{folder} holds no metadata.jsonl and no .parquet files: this is not a supported dataset")
    for question in questions:
        if not is_checkable(question.answer):
            raise BadCorpus(f"{folder}: the answer {question.answer!r} to {question.name} can't be checked by rule")
    return _some(questions, count, random.Random(seed))


class _Line(BaseModel):
    """One line of Big Bench Audio's metadata.jsonl."""

    file_name: Path
    category: str
    official_answer: str
    transcript: str = ""


class _Words(BaseModel):
    """An answer as Spoken-MQA nests it."""

    text: str


class _Row(BaseModel):
    """One row of either set, whose column names differ."""

    model_config = ConfigDict(extra="ignore")

    category: str = ""
    official_answer: str = ""
    answer: _Words | str = ""
    transcript: str = ""
    context_transcript: str = ""


_SOUNDS = ("audio", "context")


@dataclass(frozen=True, slots=True)
class TableCell:
    """Audio inside a parquet file."""

    file: Path
    row: int

    def pcm(self) -> Pcm:
        table = _opened(self.file)
        row, group = self.row, 0
        while row >= (size := table.metadata.row_group(group).num_rows):
            row, group = row - size, group + 1
        sound = _sounds(self.file, group)[row]
        with tempfile.NamedTemporaryFile(suffix=Path(sound["path"] or "").suffix) as file:
            file.write(sound["bytes"])
            file.flush()
            return read_wav(Path(file.name), WIRE_RATE)


def _of_lines(file: Path) -> Iterator[Question]:
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as error:
            raise _unusable(f"{file}:{number}", error) from error
        audio = AudioFile(file.parent / line.file_name)
        yield Question(line.file_name.stem, line.category, _plain(line.official_answer), audio, line.transcript)


def _of_table(file: Path) -> Iterator[Question]:
    table = _opened(file)
    columns = [name for name in table.schema_arrow.names if name in _Row.model_fields]
    split = file.name.partition("-0")[0].removesuffix(".parquet")
    for number, values in enumerate(table.read(columns).to_pylist()):
        try:
            row = _Row.model_validate({name: value for name, value in values.items() if value is not None})
        except ValidationError as error:
            raise _unusable(f"{file}, row {number}", error) from error
        answer = row.official_answer or (row.answer if isinstance(row.answer, str) else row.answer.text)
        category, text = row.category or split, row.transcript or row.context_transcript
        yield Question(f"{category}_{number:04}", category, _plain(answer), TableCell(file, number), text)


@lru_cache(1)
def _opened(file: Path) -> "ParquetFile":
    if find_spec("pyarrow") is None:
        raise MissingPackage(not_installed("pyarrow", "antiphon[bench]"))
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(file)
    except (ArrowInvalid, OSError) as error:
        raise BadCorpus(f"{file} can't be read: {error}") from error
    if not set(_SOUNDS) & set(table.schema_arrow.names):
        raise BadCorpus(f"{file} has no column {' or '.join(_SOUNDS)} with the sound")
    return table


@lru_cache(1)
def _sounds(file: Path, group: int) -> list[dict[str, Any]]:
    """The audio of a row group: its bytes, and the name of the original file."""
    table = _opened(file)
    column = next(name for name in _SOUNDS if name in table.schema_arrow.names)
    return [row[column] for row in table.read_row_group(group, [column]).to_pylist()]


def _plain(answer: str) -> str:
    """The answer itself. In GSM8K it follows the reasoning."""
    return answer.rpartition("####")[2].strip().lower()


def _some(questions: Sequence[Question], count: int | None, chance: random.Random) -> list[Question]:
    """`count` of the questions, evenly over the categories, in their original order."""
    if count is None or count >= len(questions):
        return list(questions)
    waiting = defaultdict[str, list[int]](list)
    for index, question in enumerate(questions):
        waiting[question.category].append(index)
    for indices in waiting.values():
        chance.shuffle(indices)
    chosen: list[int] = []
    while len(chosen) < count:
        chosen += [indices.pop() for indices in waiting.values() if indices]
    return [questions[index] for index in sorted(chosen[:count])]


def _unusable(where: str, error: ValidationError) -> BadCorpus:
    first = error.errors()[0]
    return BadCorpus(f"{where} can't be used: {'.'.join(map(str, first['loc']))}: {first['msg']}")
