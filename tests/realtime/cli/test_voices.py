import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.voice_catalogue import VoiceCatalogue
from realtime.cli.main import app
from realtime.terminal.say import Said


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings with an empty cache, and a port at which nothing can listen."""
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text(f'[models]\ncache = "{tmp_path}"\noffline = true\n[server]\nport = 1\n')


def antiphon(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_lists_the_voices_and_what_would_fetch_them() -> None:
    shown = antiphon("voices")
    assert shown.exit_code == 0
    assert "bf_emma" in shown.stdout
    assert "run antiphon models pull kokoro-voices kokoro-82m" in shown.stdout
    rows = json.loads(antiphon("voices", "--json").stdout)
    assert rows[0] == {
        "name": "en_US-joe-medium",
        "default": True,
        "engine": "piper",
        "language": "en-US",
        "sex": "male",
        "licence": "CC0-1.0",
        "bytes": 63_206_088,
        "state": "to be fetched",
    }
    assert [row["name"] for row in rows if row["default"]] == ["en_US-joe-medium"]


def test_a_voice_of_a_package_that_is_missing_is_listed_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.backends.find_spec", lambda name: None)
    states = {row["name"]: row["state"] for row in json.loads(antiphon("voices", "--json").stdout)}
    assert states["af_heart"] == "package missing"


@pytest.mark.parametrize(
    ("voice", "reason"),
    [
        ("nobody", "there is no voice 'nobody'; there are en_US-joe-medium, af_heart"),
        ("af_heart", "run antiphon models pull kokoro-voices kokoro-82m"),
        ("en_US-joe-medium", "offline forbids to fetch it"),
    ],
)
def test_what_cannot_be_spoken_is_refused_in_plain_words(voice: str, reason: str) -> None:
    refused = antiphon("say", "Hello.", "--voice", voice, "--out", "hello.wav")
    assert refused.exit_code == 1
    assert reason in refused.stderr
    assert not Path("hello.wav").exists()


@pytest.mark.parametrize(("text", "typed"), [("", ""), (" … ", ""), ("-", ""), ("-", "\n")])
def test_a_text_without_words_is_refused(text: str, typed: str) -> None:
    refused = CliRunner().invoke(app, ["say", text, "--out", "hello.wav"], input=typed)
    assert refused.exit_code == 1
    assert "there is nothing to say" in refused.stderr


def test_a_text_is_read_from_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    async def speak(voice: object, text: str, take: object) -> Said:
        said.append(text)
        return Said(0, None, 0)

    monkeypatch.setattr("realtime.cli.voices.speak", speak)
    monkeypatch.setattr(VoiceCatalogue, "load", lambda catalogue, name: None)
    monkeypatch.setattr(VoiceCatalogue, "open", lambda catalogue, name: None)
    ended = CliRunner().invoke(app, ["say", "-", "--out", "hello.wav"], input="Grüße.\nAnd goodbye.\n")
    assert ended.exit_code == 0, ended.output
    assert said == ["Grüße.\nAnd goodbye.\n"]


def test_a_pipe_gets_each_voice_uncut_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = antiphon("voices").stdout.splitlines()
    for row in json.loads(antiphon("voices", "--json").stdout):
        [line] = [line for line in lines if line.split()[:1] == [row["name"]]]
        assert all(str(row[key] or "-") in line for key in ("engine", "language", "licence", "state"))
