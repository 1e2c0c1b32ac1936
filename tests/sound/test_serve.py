"""The command line as a newcomer uses it: a server of its own process, and questions to it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from audio.sound_file import read_wav
from tests.support.serving import call
from tests.support.speech import recordings, word_errors

ANTIPHON = Path(sys.executable).with_name("antiphon")


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    """The URL and the process id of `antiphon serve`."""
    command: list[str | Path] = [ANTIPHON, "serve", "--port", "0"]
    environment = os.environ | {"ANTIPHON_SERVER__MAX_SESSIONS": "10"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        url = next(match.group() for line in lines if (match := re.search(r"http://\S+", line)))
        yield url, process.pid
        process.terminate()
        process.stderr.read()
    assert process.returncode in (0, -15)


def test_ask_prints_what_was_heard_and_answered(server: tuple[str, int], tmp_path: Path) -> None:
    question, out = recordings()["turn_03"], tmp_path / "answer.wav"
    command: list[str | Path] = [ANTIPHON, "ask", question.path, "--url", server[0], "--out", out, "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    reply = json.loads(run.stdout)
    assert word_errors(question.text, reply["transcript"]) <= 0.25
    assert reply["answer"]
    assert read_wav(out, 24_000).size == pytest.approx(reply["audio_s"] * 24_000, abs=24)
    times = reply["timeline_ms"]
    assert times["speech_ended"] == 0
    # An answer to words that are probably all begins before the pause.
    for stages in (("pause_seen", "transcript_ready"), ("first_token", "first_clause", "first_audio")):
        made = [times[stage] for stage in stages]
        assert made == sorted(made)
    assert times["first_packet"] >= max(times["turn_decided"], times["first_audio"])


async def test_ten_conversations_share_one_copy_of_each_model(server: tuple[str, int]) -> None:
    url, process = server
    names = [name for name in recordings() if name.startswith("turn")][:10]

    async def hold(name: str) -> None:
        async with call(client) as caller:
            await caller.say(recordings()[name].pcm(24_000))
            await caller.answered()

    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        await asyncio.gather(*(hold(name) for name in names))
    assert peak_memory_gib(process) < 1.5


def peak_memory_gib(process: int) -> float:
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(kib) / 2**20
