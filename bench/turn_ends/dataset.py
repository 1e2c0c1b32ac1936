"""Sets of user turns with their silences, in the published format of LiveKit's eot-bench.

Source: https://github.com/livekit/eot-bench and https://huggingface.co/datasets/livekit/eot-bench-data. Tables in
parquet with the columns id, language, audio (bytes of a sound file, or a path), silence_spans (start and end in
seconds; the last one is the end of the turn) and, optionally, messages (the conversation before the turn).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audio.pcm import INPUT_RATE, Pcm
from bench.corpus import BadCorpus
from pipeline.backends import MissingPackage, not_installed

_COLUMNS = ("id", "language", "audio", "silence_spans", "messages")
_NEEDED = _COLUMNS[:-1]
_ROWS = 32
"""Rows of a table that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a user: its sound at 16 kHz, and its silences in seconds, the last of which is its end."""

    id: str
    pcm: Pcm
    silences: tuple[tuple[float, float], ...]
    asked: str
    """What the agent said before it."""


class _Span(BaseModel):
    start: float = Field(ge=0)
    end: float


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | None = ""


class _Sound(BaseModel):
    model_config = ConfigDict(extra="ignore")

    encoded: bytes | None = Field(None, alias="bytes")
    path: str | None = None


class _Row(BaseModel):
    id: str
    language: str
    audio: _Sound
    silence_spans: list[_Span] = Field(min_length=1)
    messages: list[_Message] | None = None


def read_turns(folder: Path, language: str, count: int | None = None) -> Iterator[Turn]:
    """The turns in `folder` that are in `language` ("en"), at most `count`. Raises `PlainError`."""
    if find_spec("pyarrow") is None:
        raise MissingPackage(not_installed("pyarrow", "antiphon[bench]"))
    tables = sorted(folder.rglob("*.parquet"))
    if not tables:
        raise BadCorpus(f"{folder} holds no .parquet files: this is not a set of eot-bench")
    found = 0
    for row, table in ((row, file) for file in tables for row in _rows(file)):
        if row.language.partition("-")[0] != language:
            continue
        if found == count:
            return
        found += 1
        yield _turn(row, table)
    if not found:
        raise BadCorpus(f"{folder} has no turns in the language {language!r}")


def _rows(table: Path) -> Iterator[_Row]:
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(table)
    except (ArrowInvalid, OSError) as error:
        raise BadCorpus(f"{table} can't be read: {error}") from error
    if missing := [name for name in _NEEDED if name not in file.schema_arrow.names]:
        raise BadCorpus(f"{table} has no column {missing[0]}: this is not a set of eot-bench")
    columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
    number = 0
    for batch in file.iter_batches(_ROWS, columns=columns):
        values: dict[str, Any]
        for values in batch.to_pylist():
            try:
                yield _Row.model_validate(values)
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                raise BadCorpus(f"{table}, row {number}, can't be used: {place}: {first['msg']}") from error
            number += 1


def _turn(row: _Row, table: Path) -> Turn:
    sound = row.audio
    source = io.BytesIO(sound.encoded) if sound.encoded is not None else table.parent / (sound.path or "")
    try:
        pcm, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise BadCorpus(f"{table}: the sound of {row.id} can't be read: {error}") from error
    at_16k = np.asarray(soxr.resample(pcm.mean(axis=1), rate, INPUT_RATE), np.float32)
    spoken = (message.content or "" for message in reversed(row.messages or []) if message.role == "assistant")
    silences = tuple((span.start, span.end) for span in row.silence_spans)
    return Turn(row.id, at_16k, silences, next(spoken, ""))
