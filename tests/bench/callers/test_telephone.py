"""What is made of a call that was heard packet by packet."""

import json
from typing import Any

import numpy as np
import pytest

from audio.pcm import Pcm
from bench.callers.phone import PLAYBACK_RATE
from bench.callers.relay import Relay
from bench.callers.telephone import Timed, answered_by
from bench.corpus import Recording

BEGAN = 100.0


def spoken(*pauses: tuple[float, float]) -> Recording:
    return Recording("turn", "turn", "Hello.", np.zeros(48_000, np.float32), 1.5, pauses)


def started(at_s: float, response: str) -> Timed:
    return BEGAN + at_s, {"type": "output_audio_buffer.started", "response_id": response}


def done(at_s: float, response: str, status: str = "completed") -> Timed:
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Good."}]}]
    metadata = {"timeline": json.dumps({"first_packet": 300})}
    answer: dict[str, Any] = {"id": response, "status": status, "output": output, "metadata": metadata}
    return BEGAN + at_s, {"type": "response.done", "response": answer}


def packets(*sounding_s: float) -> list[tuple[float, Pcm]]:
    """Five seconds of packets; those that come at `sounding_s` have sound in their second half."""
    size = PLAYBACK_RATE // 50
    heard = []
    for number in range(250):
        pcm = np.zeros(size, np.float32)
        if any(abs(number / 50 - at_s) < 0.001 for at_s in sounding_s):
            pcm[size // 2 :] = 0.5
        heard.append((BEGAN + number / 50, pcm))
    return heard


def test_the_first_sound_is_that_of_the_answer_to_the_whole_turn() -> None:
    events = [started(0.8, "a"), done(0.9, "a", "cancelled"), started(2.0, "b"), done(2.5, "b")]
    answered = answered_by(events, packets(0.8, 2.02, 2.04), BEGAN, spoken((0.5, 1.0)))
    assert answered.first_sound_s == pytest.approx(2.03)
    assert (answered.early, answered.said, answered.timeline_ms) == (1, "Good.", {"first_packet": 300})


def test_what_did_not_arrive_stays_unset() -> None:
    answered = answered_by([started(2.0, "a"), done(2.5, "a", "cancelled")], packets(2.0), BEGAN, spoken())
    assert (answered.first_sound_s, answered.timeline_ms) == (None, {})
    answered = answered_by([started(2.0, "a"), done(2.5, "a")], packets(), BEGAN, spoken())
    assert answered.first_sound_s is None


async def test_a_relay_stands_in_the_place_of_both_peers() -> None:
    sdp = "v=0\r\nm=audio 1\r\na=candidate:x 1 udp 1 127.0.0.1 5000 typ host\r\na=end-of-candidates\r\na=mid:0\r\n"
    async with Relay(loss=0, jitter_s=0) as relay:
        assert relay.offer(sdp) == "v=0\r\nm=audio 1\r\na=mid:0\r\n"
        lines = (await relay.answer(sdp)).splitlines()
        assert lines[:2] + lines[3:] == ["v=0", "m=audio 1", "a=end-of-candidates", "a=mid:0"]
        assert lines[2].startswith("a=candidate:relay 1 udp 2130706431 127.0.0.1 ")
        assert " 5000 " not in lines[2]
        with pytest.raises(ValueError, match="no UDP candidate"):
            await relay.answer("v=0\r\n")
