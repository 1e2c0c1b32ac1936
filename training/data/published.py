"""Published sets of questions about sound, read from a folder as their publishers lay it out.

- MMAU (https://github.com/Sakshi113/MMAU): mmau-test-mini.json and the recordings that it names.
- MMSU (https://huggingface.co/datasets/ddwang2000/MMSU): a .jsonl with choice_a to choice_d, and the recordings.
- Big Bench Audio (https://huggingface.co/datasets/ArtificialAnalysis/big_bench_audio): metadata.jsonl, recordings.
- Spoken-MQA (https://huggingface.co/datasets/amao0o0/spoken-mqa), WildSpeech-Bench
  (https://huggingface.co/datasets/tencent/WildSpeech-Bench): .parquet files with the recordings inside.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audio.errors import PlainError
from audio.pcm import INPUT_RATE, Pcm
from audio.sound_file import read_wav
from training.data.acoustic import Question

LISTEN = "Listen to the question, and answer it."
"""What is asked where the recording itself asks."""
_PATHS = ("audio_id", "audio_path", "file_name")
_EMBEDDED = ("audio", "context")
_KINDS = ("sub-category", "task_name", "category", "taskType")
_LETTERS = "abcd"


class UnusableDataset(PlainError):
    """A folder does not hold questions in a supported layout; the message has the place and what is missing."""


def read(folder: Path) -> Iterator[Question]:
    """The questions in `folder`, each read with its recording at 16 kHz when it is reached.

    `answer` is empty where the set has none that a rule can check, as in WildSpeech-Bench. Raises `UnusableDataset`.
    """
    files = [file for ending in ("json", "jsonl", "parquet") for file in sorted(folder.rglob(f"*.{ending}"))]
    if not files:
        raise UnusableDataset(f"{folder} holds no .json, .jsonl or .parquet files with questions")
    for file in files:
        for number, row in enumerate(_rows(file)):
            yield _question(row, file, f"{file}, question {number}")


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == ".parquet":
        from pyarrow import parquet

        table = parquet.ParquetFile(file)
        for batch in table.iter_batches(16):
            yield from batch.to_pylist()
    elif file.suffix == ".jsonl":
        yield from map(json.loads, filter(str.strip, file.read_text(encoding="utf-8").splitlines()))
    else:
        yield from json.loads(file.read_text(encoding="utf-8"))


def _question(row: Mapping[str, Any], file: Path, place: str) -> Question:
    choices = _choices(row)
    transcript = str(row.get("transcript") or row.get("context_transcript") or row.get("user_query") or "")
    asked = str(row["question"]) if "question" in row else LISTEN
    if choices:
        asked += f" Choose from: {'; '.join(choices)}."
    kind = next((str(row[key]) for key in _KINDS if row.get(key)), file.stem)
    return Question(kind, asked, choices, _answer(row, choices, place), (), transcript, _recording(row, file, place))


def _choices(row: Mapping[str, Any]) -> tuple[str, ...]:
    named = row.get("choices") or [row.get(f"choice_{letter}") for letter in _LETTERS]
    return tuple(str(choice) for choice in named if choice)


def _answer(row: Mapping[str, Any], choices: tuple[str, ...], place: str) -> str:
    given = row.get("answer_gt", row.get("official_answer", row.get("answer", "")))
    if isinstance(given, Mapping):
        given = given["text"]
    # Spoken-MQA's answers follow their derivation, as in GSM8K.
    answer = str(given).rpartition("####")[2].strip()
    if not choices:
        return answer
    if len(answer) == 1 and answer.lower() in _LETTERS[: len(choices)]:
        return choices[_LETTERS.index(answer.lower())]
    if answer not in choices:
        raise UnusableDataset(f"{place}: the answer {answer!r} is none of {', '.join(choices)}")
    return answer


def _recording(row: Mapping[str, Any], file: Path, place: str) -> Pcm:
    for key in _PATHS:
        if row.get(key):
            return read_wav(file.parent / str(row[key]), INPUT_RATE)
    for key in _EMBEDDED:
        if isinstance(sound := row.get(key), Mapping) and sound.get("bytes"):
            with tempfile.NamedTemporaryFile(suffix=Path(sound.get("path") or "").suffix) as kept:
                kept.write(sound["bytes"])
                kept.flush()
                return read_wav(Path(kept.name), INPUT_RATE)
    raise UnusableDataset(f"{place} has no recording under {', '.join((*_PATHS, *_EMBEDDED))}")
