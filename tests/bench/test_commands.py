"""The commands with the real models, on as little as will do."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audio.pcm import INPUT_RATE
from bench.corpus import read_corpus
from bench.turn_ends.spoken import Spoken, write
from pipeline.weights.store import ModelStore
from realtime.cli.main import app
from tests.support.speech import RECORDINGS


def bench(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["bench", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """One short recording."""
    items = json.loads((RECORDINGS / "manifest.json").read_text())["items"]
    items = [{**item, "file": str(RECORDINGS / item["file"])} for item in items if item["file"] == "turn_03.wav"]
    (tmp_path / "manifest.json").write_text(json.dumps({"items": items}))
    return tmp_path


def test_wer(corpus: Path) -> None:
    ways = bench("wer", "--corpus", str(corpus))["ways"]
    assert [way["word_error_percent"] for way in ways.values()] == [0, 0, 0]
    assert ways["listening"]["looks"] > ways["at once"]["looks"] == 1


def test_synthesis(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("There is a small bakery.\n")
    (sentence,) = bench("synthesis", "--texts", str(tmp_path / "texts.txt"), "--repeats", "1")["sentences"]
    assert sentence["difference"] < 1e-4
    assert sentence["first_chunk_ms"] < sentence["streamed_ms"]


def test_voices(tmp_path: Path) -> None:
    for model in ("kokoro-82m", "kokoro-voices"):
        ModelStore().resolve(model)
    (tmp_path / "texts.txt").write_text("That sounds lovely.\n")
    report = bench("voices", "--texts", str(tmp_path / "texts.txt"), "--voices", "en_US-joe-medium,am_michael")
    assert [(voice["name"], voice["engine"]) for voice in report["voices"]] == [
        ("en_US-joe-medium", "piper"),
        ("am_michael", "kokoro"),
    ]
    for voice in report["voices"]:
        assert voice["difference_dbfs"] < -90
        assert abs(voice["loudness_lufs"] + 23) < 3
        (sentence,) = voice["sentences"]
        assert 0 < sentence["first_chunk_ms"] < sentence["streamed_ms"]


def test_endpointing(tmp_path: Path) -> None:
    texts = {"finished": ["What is your name?"], "broken_off": ["I would like to"]}
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    report = bench("endpointing", "--texts", str(tmp_path / "texts.json"))
    (finished,), (broken_off,) = report["finished"], report["broken_off"]
    assert finished["probability"] > 0.8 > 0.3 > broken_off["probability"]
    assert finished["wait_s"] < broken_off["wait_s"]


def test_endpointing_of_spoken_turns(tmp_path: Path) -> None:
    turns = [
        Spoken(spoken.name, spoken.pcm, (*spoken.pauses, (spoken.speech_end_s, len(spoken.pcm) / INPUT_RATE)), "")
        for spoken in read_corpus(RECORDINGS, ("turn", "pause"), INPUT_RATE)[-3:]
    ]
    write(tmp_path, turns)
    report = bench("endpointing", "--dataset", str(tmp_path))
    assert report["summary"]["turns"] == len(turns)
    assert report["summary"]["wait_p50_s"] == pytest.approx(0.3)
    assert report["summary"]["cut_percent"] == 0


def test_thinking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_DECODER__MAX_TOKENS", "8")
    monkeypatch.setenv("ANTIPHON_AGENT__THINK_TOKENS", "4")
    monkeypatch.setenv("ANTIPHON_AGENT__THINK_ABOUT", "everything")
    monkeypatch.setenv("ANTIPHON_DECODER__THOUGHTS", "qwen3")
    for number in range(2):
        shutil.copy(RECORDINGS / "turn_03.wav", tmp_path / f"{number}.wav")
    rows = [{"file_name": f"{n}.wav", "category": "navigate", "official_answer": "Yes", "id": n} for n in range(2)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    report = bench("thinking", "--dataset", str(tmp_path), "--modes", "off,think_first")
    assert report["model"] == "smollm2-135m-instruct, thinking in the format of qwen3"
    assert [(answer["mode"], answer["question"]) for answer in report["answers"]] == [
        *(("off", "0"), ("off", "1")),
        *(("think_first", "0"), ("think_first", "1")),
    ]
    for answer in report["answers"]:
        assert answer["said"]
        assert answer["heard"]
        assert answer["total_s"] > answer["first_packet_ms"] / 1000 > 0
        assert (answer["thoughts_before"] > 0) is (answer["mode"] == "think_first")
    assert report["right_percent"]["off"].keys() == {"all", "navigate"}


@pytest.mark.parametrize("options", [("--text",), ()])
def test_answers(options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_DECODER__MAX_TOKENS", "12")
    report = bench("answers", "--questions", "2", *options, "--out", str(tmp_path / "run.json"))
    assert report["run"]["name"] == f"smollm2-135m-instruct, {'text' if options else 'spoken'}"
    assert [(answer["kind"], bool(answer["heard"])) for answer in report["answers"]] == [
        ("facts", not options),
        ("arithmetic", not options),
    ]
    assert all(answer["said"] and answer["first_packet_ms"] > 0 for answer in report["answers"])
    assert report["kinds"].keys() == {"facts", "arithmetic", "all"}


def test_a_voice_that_is_not_at_hand_is_refused_by_name() -> None:
    result = CliRunner().invoke(app, ["bench", "voices", "--voices", "nobody"])
    assert result.exit_code == 1
    assert "there is no voice nobody at hand; there are" in " ".join(result.output.split())


@pytest.mark.parametrize("command", ["latency", "wer"])
def test_a_folder_without_recordings_is_refused_in_one_line(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", command, "--corpus", str(tmp_path)])
    assert result.exit_code == 1
    assert "manifest.json can't be read: No such file" in " ".join(result.output.split())
