"""examples/voice_app.py at a microphone and a loudspeaker, which are PulseAudio's."""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from audio.sound_file import read_wav
from pipeline.settings import StopgapSettings
from tests.examples.running import EXAMPLES, TOLD_TIME, serving_a_model_that_calls
from tests.support.pulse import RATE, Ear, Pulse, pulse_audio, seconds_of_sound
from tests.support.speech import recordings

_PATIENCE_S = 60


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    with tempfile.TemporaryDirectory() as folder, pulse_audio(Path(folder)) as pulse:
        pulse.plug_in()
        yield pulse


@pytest.fixture
def ear(pulse: Pulse) -> Iterator[Ear]:
    with pulse.listen() as ear:
        yield ear


class App:
    """The running program, whose output is one JSON event a line."""

    def __init__(self, output: asyncio.StreamReader) -> None:
        self._output = output

    async def until(self, kind: str) -> dict[str, Any]:
        """The next event of this type. An error fails the test."""
        async with asyncio.timeout(_PATIENCE_S):
            while line := await self._output.readline():
                event: dict[str, Any] = json.loads(line)
                assert event["type"] != "error", event
                if event["type"] == kind:
                    return event
        raise AssertionError(f"it ended without {kind}")


@asynccontextmanager
async def voice_app(pulse: Pulse, server: str) -> AsyncIterator[App]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "voice_app.py"),
        env=pulse.environment | {"ANTIPHON_URL": f"{server}/v1"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield App(process.stdout)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_a_barge_in_cuts_the_answer_to_what_was_played(pulse: Pulse, ear: Ear, storyteller: str) -> None:
    async with voice_app(pulse, storyteller) as app:
        await app.until("session.updated")
        await asyncio.to_thread(pulse.say, recordings()["turn_06"].pcm(RATE))
        await asyncio.to_thread(ear.until, lambda pcm: seconds_of_sound(pcm) > 1.5)
        await asyncio.to_thread(pulse.say, recordings()["turn_02"].pcm(RATE))
        cut = await app.until("conversation.item.truncated")
        heard = ear.pcm
        assert 1000 < cut["audio_end_ms"] < 1000 * len(heard) / RATE
        await asyncio.to_thread(ear.until, lambda pcm: seconds_of_sound(pcm) > 0.5, len(heard) + RATE // 2)


async def test_the_tool_is_called_and_its_result_is_spoken(pulse: Pulse, ear: Ear, questions: dict[Path, str]) -> None:
    async with serving_a_model_that_calls("get_time") as (url, model), voice_app(pulse, url) as app:
        await app.until("session.updated")
        await asyncio.to_thread(pulse.say, read_wav(next(iter(questions)), RATE))
        # On a busy machine even this tool may take so long that the agent acknowledges it first.
        while (said := (await app.until("response.output_audio_transcript.done"))["transcript"]) != TOLD_TIME:
            assert said == StopgapSettings().looking_up
        await asyncio.to_thread(ear.until, lambda pcm: seconds_of_sound(pcm) > 0.5)
        assert re.fullmatch(r"\d\d:\d\d", model.asked[-1]["messages"][-1]["content"])
