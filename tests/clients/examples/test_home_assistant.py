"""examples/home_assistant.py between `antiphon serve` and the client of the package that Home Assistant uses."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from audio.sound_file import read_wav
from tests.clients.walks import PROGRAMS, environment
from tests.examples.running import EXAMPLES
from tests.support.pulse import RATE, seconds_of_sound
from tests.support.speech import recordings, word_errors

_TEXT = "The kitchen light is on. It is nineteen degrees outside."
_PATIENCE_S = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wyoming")
    shutil.copy(recordings()["turn_04"].path, folder / "turn.wav")
    return folder


@pytest.fixture(scope="module")
def facts(server: str, folder: Path) -> dict[str, Any]:
    """What the client was given, over a socket of the test's own."""

    async def run() -> dict[str, Any]:
        python, uri = str(environment("home_assistant") / "bin" / "python"), f"unix://{folder}/bridge"
        program = str(EXAMPLES / "home_assistant.py")
        pipe = asyncio.subprocess.PIPE
        bridge = await asyncio.create_subprocess_exec(
            python, program, "--url", f"{server}/v1", "--uri", uri, stdout=pipe
        )
        assert bridge.stdout is not None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                assert await bridge.stdout.readline()
                client = await asyncio.create_subprocess_exec(
                    python, str(PROGRAMS / "wyoming_client.py"), uri, str(folder / "turn.wav"), _TEXT, stdout=pipe
                )
                printed, _ = await client.communicate()
        finally:
            bridge.terminate()
            await bridge.wait()
        assert client.returncode == 0
        found: dict[str, Any] = json.loads(printed)
        return found

    return asyncio.run(run())


def test_the_recognizer_and_every_voice_are_offered(facts: dict[str, Any]) -> None:
    assert len(facts["recognizers"]) == 1
    assert len(facts["voices"]) == len(set(facts["voices"])) > 1


def test_each_utterance_is_transcribed_by_itself(facts: dict[str, Any]) -> None:
    assert len(facts["heard"]) == 2
    for heard in facts["heard"]:
        assert word_errors(recordings()["turn_04"].text, heard) <= 0.34


@pytest.mark.parametrize("voice", ["usual", "chosen"])
def test_a_text_is_spoken(facts: dict[str, Any], folder: Path, voice: str) -> None:
    assert facts[voice] == ["audio-start", "audio-chunk", "audio-stop"]
    assert 1.5 < seconds_of_sound(read_wav(folder / f"turn.{voice}.wav", RATE)) < 8


def test_a_voice_that_does_not_exist_is_an_error(facts: dict[str, Any]) -> None:
    assert facts["unknown"] == ["error"]
