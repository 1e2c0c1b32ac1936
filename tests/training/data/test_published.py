"""Published sets of questions, in small folders laid out as their publishers do."""

import json
import shutil
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from audio.pcm import INPUT_RATE
from tests.support.speech import recordings
from training.data.acoustic import Question
from training.data.published import LISTEN, UnusableDataset, read

WAV = recordings()["turn_02"].path


def sound(folder: Path, name: str) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(WAV, folder / name)
    return f"./{name}"


def only(folder: Path) -> Question:
    (question,) = read(folder)
    assert question.pcm is not None
    assert len(question.pcm) == len(recordings()["turn_02"].pcm(INPUT_RATE))
    return question


def test_mmau(tmp_path: Path) -> None:
    row = {
        "id": "3fe6",
        "audio_id": sound(tmp_path, "test-mini-audios/3fe6.wav"),
        "question": "Who speaks?",
        "choices": ["Man", "Woman", "Child", "Robot"],
        "answer": "Man",
        "task": "sound",
        "category": "Reasoning",
        "sub-category": "Acoustic Source Inference",
    }
    (tmp_path / "mmau-test-mini.json").write_text(json.dumps([row]))
    question = only(tmp_path)
    assert question.asked == "Who speaks? Choose from: Man; Woman; Child; Robot."
    assert (question.kind, question.answer, question.chance) == ("Acoustic Source Inference", "Man", 0.25)


@pytest.mark.parametrize("answer", ["fast", "B"])
def test_mmsu(tmp_path: Path, answer: str) -> None:
    row = {
        "id": "7",
        "audio_path": sound(tmp_path, "audio/7.wav"),
        "task_name": "speed_comparison",
        "question": "How is it spoken?",
        "choice_a": "slowly",
        "choice_b": "fast",
        "choice_c": "neither",
        "choice_d": "both",
        "answer_gt": answer,
    }
    (tmp_path / "mmsu.jsonl").write_text(json.dumps(row) + "\n")
    question = only(tmp_path)
    assert (question.kind, question.answer, len(question.choices)) == ("speed_comparison", "fast", 4)


def test_big_bench_audio(tmp_path: Path) -> None:
    row = {
        "file_name": sound(tmp_path, "data/question_0.wav"),
        "category": "formal_fallacies",
        "official_answer": "invalid",
        "transcript": "Is the argument valid?",
    }
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    question = only(tmp_path)
    assert (question.asked, question.kind, question.answer) == (LISTEN, "formal_fallacies", "invalid")
    assert question.transcript == "Is the argument valid?"


def test_spoken_mqa(tmp_path: Path) -> None:
    columns = {
        "context": [{"bytes": WAV.read_bytes(), "path": "a.wav"}],
        "answer": [{"text": "2 plus 3 is 5 #### 5"}],
        "context_transcript": ["What is two plus three?"],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "short_digit-00000-of-00001.parquet")
    assert only(tmp_path).answer == "5"


def test_wildspeech_has_no_answer_that_a_rule_can_check(tmp_path: Path) -> None:
    columns = {
        "audio": [{"bytes": WAV.read_bytes(), "path": "a.wav"}],
        "user_query": ["What shall I cook?"],
        "taskType": ["Advice"],
        "checklist": [["Names a dish."]],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "train-00000-of-00001.parquet")
    question = only(tmp_path)
    assert (question.kind, question.answer, question.transcript) == ("Advice", "", "What shall I cook?")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (None, "holds no .json, .jsonl or .parquet files"),
        ({"question": "Who?", "choices": ["a", "b"], "answer": "c"}, "question 0: the answer 'c' is none of a, b"),
        ({"question": "Who?", "answer": "c"}, "question 0 has no recording"),
    ],
)
def test_an_error_says_what_is_missing(tmp_path: Path, row: dict[str, object] | None, message: str) -> None:
    if row is not None:
        (tmp_path / "x.jsonl").write_text(json.dumps(row))
    with pytest.raises(UnusableDataset, match=message):
        list(read(tmp_path))
