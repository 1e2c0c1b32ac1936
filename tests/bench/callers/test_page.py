"""What is made of a call that was listened in on."""

import json
from typing import Any

import numpy as np
import pytest

from audio.pcm import Pcm
from bench.callers.browser import RATE, Sides
from bench.callers.page import answered_by, begin_of
from bench.conversations.interruption import try_of
from bench.corpus import Recording
from realtime.protocol.audio_format import WIRE_RATE

BEGAN_S = 1.25
"""When the recording begins to be spoken."""


def noise(seconds: float, rate: int) -> Pcm:
    return np.random.default_rng(0).standard_normal(round(seconds * rate), np.float32) * np.float32(0.1)


def at(seconds: float, pcm: Pcm, length_s: float = 8) -> Pcm:
    """`pcm`, at 48 kHz, in the midst of silence."""
    start = round(seconds * RATE)
    return np.pad(pcm, (start, round(length_s * RATE) - start - len(pcm)))


def event(at_s: float, kind: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - as JSON has it
    return {"type": kind, "at_s": at_s, **fields}


def done(at_s: float, response: str, status: str = "completed") -> dict[str, Any]:
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Good."}]}]
    metadata = {"timeline": json.dumps({"first_packet": 300})}
    return event(
        at_s,
        "response.done",
        response={"id": response, "status": status, "output": output, "metadata": metadata},
    )


@pytest.mark.parametrize("seconds", [0, 0.5, 3.21])
def test_a_recording_is_found_in_what_the_microphone_gave(seconds: float) -> None:
    spoken = noise(2, RATE)
    disturbed = at(seconds, spoken * 3) + np.random.default_rng(1).standard_normal(8 * RATE) * 0.05
    assert begin_of(spoken, disturbed.astype(np.float32)) == round(seconds * RATE)


def test_the_answer_to_the_whole_turn_is_timed() -> None:
    """One comes in the pause and is taken back; the other one at 4.5 s."""
    spoken = Recording("a", "pause", "Yes?", noise(2, WIRE_RATE), 1.9, pauses=((0.5, 1.2),))
    events = [
        event(BEGAN_S + 0.9, "antiphon.output_audio", response_id="r1"),
        done(BEGAN_S + 1.3, "r1", "cancelled"),
        event(BEGAN_S + 2.2, "conversation.item.input_audio_transcription.completed", transcript=" Yes?"),
        event(4.4, "antiphon.output_audio", response_id="r2"),
        done(4.6, "r2"),
    ]
    loudspeaker = at(BEGAN_S + 1.0, noise(0.2, RATE)) + at(4.5, np.full(RATE, 0.5, np.float32))
    microphone = at(BEGAN_S, np.repeat(spoken.pcm, RATE // WIRE_RATE))
    answered = answered_by(Sides(microphone, loudspeaker), events, spoken)
    assert answered.first_sound_s == pytest.approx(4.5 - BEGAN_S, abs=0.001)
    assert (answered.early, answered.heard, answered.said) == (1, "Yes?", "Good.")
    assert answered.timeline_ms == {"first_packet": 300}


@pytest.mark.parametrize(
    ("kind", "events", "silent_ms", "right"),
    [
        ("barge_in", [event(2.0, "conversation.item.truncated"), event(2.5, "response.created")], 400, True),
        ("barge_in", [done(2.0, "r1", "cancelled"), event(2.5, "response.created")], 400, True),
        ("barge_in", [done(1.9, "r1")], None, False),
        ("backchannel", [done(1.9, "r1")], None, True),
        ("backchannel", [event(2.0, "output_audio_buffer.cleared"), event(2.5, "response.created")], 400, False),
    ],
)
def test_the_agent_yields_to_an_interruption(
    kind: str, events: list[dict[str, Any]], silent_ms: float | None, right: bool
) -> None:
    """The speech begins at 1.5 s; the answer is heard until 1.9 s, and the next one from 3 s on."""
    spoken = Recording("a", kind, "Stop!", noise(1, RATE), 0.9, (), speech_start_s=0.25)
    loudspeaker = at(0, np.full(round(1.9 * RATE), 0.5, np.float32)) + at(3, np.full(RATE, 0.5, np.float32))
    ducked = event(1.6, "antiphon.playback", state="ducked")
    one = try_of(spoken, Sides(at(BEGAN_S, spoken.pcm), loudspeaker), [ducked, *events])
    assert one.ducked_ms == pytest.approx(100)
    assert one.silent_ms == (None if silent_ms is None else pytest.approx(silent_ms, abs=1))
    assert one.right is right
