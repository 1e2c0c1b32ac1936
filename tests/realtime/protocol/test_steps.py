"""What one event may hold the loop for: long audio comes in steps, and no event is expensive."""

import base64
import gc
import json
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from bench.abuse.mutations import VALID, mutated
from pipeline.commands import AddItem, Audio
from realtime.protocol.client_events import ADAPTERS
from realtime.protocol.session import Received, Session
from tests.support.protocol_session import OFFER, message, problem, send, update

MAX_EVENT_BYTES = 15 * 2**20
LONGEST_STEP = 5 * 16_000


def new_session() -> Session:
    return Session(OFFER, "gpt-realtime", max_event_bytes=MAX_EVENT_BYTES)


def event(audio: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()})


def pieces(received: Received) -> list[int]:
    return [len(command.pcm) for command in received.commands if isinstance(command, Audio)]


@pytest.mark.parametrize("rate", [24_000, 16_000, 8_000])
def test_a_long_append_comes_in_pieces_and_sounds_as_if_it_came_at_once(rate: int) -> None:
    audio = np.random.default_rng(0).integers(-20_000, 20_000, 23 * rate).astype("<i2").tobytes()
    at_once, cut = new_session(), new_session()
    for session in (at_once, cut):
        update(session, audio={"input": {"format": {"type": "audio/pcm", "rate": rate}}})
    whole = at_once.receive(event(audio))
    assert len(pieces(whole)) == 5
    assert max(pieces(whole)) <= LONGEST_STEP
    parts = [cut.receive(event(audio[start : start + 4_800])) for start in range(0, len(audio), 4_800)]
    one, other = ([c.pcm for r in results for c in r.commands if isinstance(c, Audio)] for results in ([whole], parts))
    assert np.array_equal(np.concatenate(one), np.concatenate(other))


def test_a_long_append_whose_end_is_broken_has_no_effect() -> None:
    audio = base64.b64encode(bytes(2 * 2**20)).decode()
    for broken in (audio + "A", audio[:-8] + "!" + audio[-7:], audio[: 2**20 - 1] + "=" + audio[2**20 :]):
        assert problem(send(new_session(), "input_audio_buffer.append", audio=broken)) == ("invalid_base64", "audio")


def test_the_longest_append_of_the_protocol_is_taken() -> None:
    audio = bytes(MAX_EVENT_BYTES * 3 // 4 // 4 * 4 - 100)
    assert sum(pieces(new_session().receive(event(audio)))) > 240 * 16_000


def test_an_append_is_bounded_in_seconds() -> None:
    session = new_session()
    update(session, audio={"input": {"format": {"type": "audio/pcmu"}}})
    assert problem(session.receive(event(bytes(301 * 8_000)))) == ("audio_too_long", "audio")
    assert sum(pieces(session.receive(event(bytes(8_000))))) > 15_000


def test_the_audio_of_an_item_is_bounded_before_it_is_decoded() -> None:
    session = Session(replace(OFFER, longest_clip_s=2), "gpt-realtime", max_event_bytes=MAX_EVENT_BYTES)
    for seconds, taken in ((2, True), (3, False)):
        clip: dict[str, object] = {"type": "input_audio", "audio": base64.b64encode(bytes(seconds * 48_000)).decode()}
        received = send(session, "conversation.item.create", item=message("user", clip))
        if taken:
            [command] = received.commands
            assert isinstance(command, AddItem)
            assert command.audio is not None
            assert len(command.audio) == seconds * 16_000
        else:
            assert problem(received) == ("audio_too_long", "item.content[0].audio")


def test_audio_that_is_no_input_of_an_answer_is_not_decoded() -> None:
    clip: dict[str, object] = {"type": "input_audio", "audio": "not even base64"}
    received = send(new_session(), "response.create", response={"input": [message("user", clip)]})
    assert problem(received) == ("unsupported_content", "response.input[0].content")


def test_ten_thousand_mutated_events_of_every_type_hold_the_loop_no_longer_than_the_longest_append() -> None:
    """In processor time, so that other programs do not count. The unit is what decoding 15 MiB of base64 takes.

    On two cores of 2024 that is about 30 ms, and the most expensive event takes less than that.
    """
    longest = base64.b64encode(bytes(MAX_EVENT_BYTES * 3 // 4))
    unit_s = min(_seconds(lambda: base64.b64decode(longest, validate=True)) for _ in range(3))
    session = Session(OFFER, "gpt-realtime", max_event_bytes=MAX_EVENT_BYTES, by_track=True)
    kinds, refused, slowest_s = set(), 0, 0.0
    gc.disable()
    try:
        for text in mutated(Random(1), 10_000, MAX_EVENT_BYTES):
            before_s = time.thread_time()
            for step in session.steps(text):
                after_s = time.thread_time()
                slowest_s = max(slowest_s, after_s - before_s)
                kinds |= {type(command) for command in step.commands}
                refused += bool(step.events)
                before_s = time.thread_time()
    finally:
        gc.enable()
    assert {event["type"] for event in VALID} == set(ADAPTERS)
    assert len(kinds) == 11  # every command but silence
    assert 2_000 < refused < 9_000
    assert slowest_s < 4 * unit_s


def _seconds(work: Callable[[], object]) -> float:
    before = time.thread_time()
    work()
    return time.thread_time() - before
