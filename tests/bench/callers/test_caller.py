"""What a caller makes of the answer that comes."""

import numpy as np
import pytest

from bench.callers.caller import hold
from bench.corpus import Recording
from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.parsing import ServerEvent
from tests.support.server_events import ScriptedConnection, Status, audio, done


def server(events: list[ServerEvent]) -> ScriptedConnection:
    """Nothing more comes after `events`: that is what a caller's patience ends with."""
    return ScriptedConnection(events, ends=True)


def answered_with(status: Status = "completed", response: str = "r1") -> ServerEvent:
    return done(status, "Good.", response, timeline={"first_packet": 300})


SILENT, LOUD = np.zeros(WIRE_RATE // 10, np.float32), np.full(WIRE_RATE // 10, 0.5, np.float32)


def spoken(*pauses: tuple[float, float]) -> Recording:
    return Recording("a", "turn", "Yes?", np.zeros(WIRE_RATE, np.float32), 0.5, pauses)


@pytest.mark.parametrize("silent_chunks", [0, 1, 3])
async def test_a_packet_of_silence_does_not_count_as_an_answer(silent_chunks: int) -> None:
    events = [*[audio(SILENT)] * silent_chunks, audio(LOUD), answered_with()]
    answered = await hold(server(events), spoken())
    assert answered.first_sound_s is not None
    assert answered.first_sound_s >= silent_chunks / 10
    assert (answered.said, answered.timeline_ms, answered.early) == ("Good.", {"first_packet": 300}, 0)


async def test_an_answer_of_pure_silence_does_not_count() -> None:
    answered = await hold(server([audio(SILENT), answered_with()]), spoken())
    assert answered.first_sound_s is None


async def test_an_answer_that_was_cancelled_is_not_the_last() -> None:
    events = [
        audio(LOUD),
        answered_with("cancelled"),
        audio(SILENT, response="r2"),
        audio(LOUD, response="r2"),
        answered_with(response="r2"),
    ]
    answered = await hold(server(events), spoken())
    assert answered.first_sound_s is not None
    assert answered.first_sound_s >= 0.1


async def test_what_sounds_in_a_pause_is_an_early_answer() -> None:
    answered = await hold(server([audio(LOUD), answered_with()]), spoken((0.2, 0.4)))
    assert (answered.early, answered.first_sound_s) == (1, None)
