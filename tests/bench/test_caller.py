"""What a caller makes of the answer that comes."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from bench.caller import hold
from bench.corpus import Recording
from realtime.client import WIRE_RATE, Connection
from tts.synthesizer import Pcm


class Scripted(Connection):
    """A server that says the same whatever it hears."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self._events = iter(events)

    async def send(self, event: dict[str, Any]) -> None:
        pass

    async def receive(self) -> dict[str, Any]:
        """Nothing more comes: that is what a caller's patience ends with."""
        event = next(self._events, None)
        if event is None:
            raise TimeoutError
        return event


def audio(pcm: Pcm, response: str = "r1") -> dict[str, Any]:
    delta = base64.b64encode((pcm * 32767).astype("<i2").tobytes()).decode()
    return {"type": "response.output_audio.delta", "response_id": response, "delta": delta}


def done(status: str = "completed", response: str = "r1") -> dict[str, Any]:
    output = [{"content": [{"transcript": "Good."}]}]
    metadata = {"timeline": json.dumps({"first_packet": 300})}
    return {
        "type": "response.done",
        "response": {"id": response, "status": status, "output": output, "metadata": metadata},
    }


SILENT, LOUD = np.zeros(WIRE_RATE // 10, np.float32), np.full(WIRE_RATE // 10, 0.5, np.float32)


def spoken(*pauses: tuple[float, float]) -> Recording:
    return Recording("a", "turn", "Yes?", np.zeros(WIRE_RATE, np.float32), 0.5, pauses)


@pytest.mark.parametrize("silent_chunks", [0, 1, 3])
async def test_a_packet_of_silence_is_no_answer(silent_chunks: int) -> None:
    events = [*[audio(SILENT)] * silent_chunks, audio(LOUD), done()]
    answered = await hold(Scripted(events), spoken())
    assert answered.first_sound_s is not None
    assert answered.first_sound_s >= silent_chunks / 10
    assert (answered.said, answered.timeline_ms, answered.early) == ("Good.", {"first_packet": 300}, 0)


async def test_an_answer_of_nothing_but_silence_is_none() -> None:
    answered = await hold(Scripted([audio(SILENT), done()]), spoken())
    assert answered.first_sound_s is None


async def test_an_answer_that_was_cancelled_is_not_the_last() -> None:
    events = [audio(LOUD), done("cancelled"), audio(SILENT, "r2"), audio(LOUD, "r2"), done(response="r2")]
    answered = await hold(Scripted(events), spoken())
    assert answered.first_sound_s is not None
    assert answered.first_sound_s >= 0.1


async def test_what_sounds_in_a_pause_is_an_early_answer() -> None:
    answered = await hold(Scripted([audio(LOUD), done()]), spoken((0.2, 0.4)))
    assert (answered.early, answered.first_sound_s) == (1, None)
