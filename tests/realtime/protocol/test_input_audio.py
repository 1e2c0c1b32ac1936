"""`input_audio_buffer.*`: formats, rates and commits of client audio."""

import base64

import numpy as np
import pytest

from pipeline import commands as do
from realtime.protocol.session import Received, Session
from tests.support.protocol_session import new_session, problem, send, update


def append(session: Session, data: bytes) -> Received:
    return send(session, "input_audio_buffer.append", audio=base64.b64encode(data).decode())


def test_audio_comes_in_at_16_khz() -> None:
    session = new_session()
    update(session, audio={"input": {"format": {"type": "audio/pcm", "rate": 16_000}}})
    [command] = append(session, b"\x00\x40\x00\xc0").commands
    assert isinstance(command, do.Audio)
    assert command.pcm.dtype == np.float32
    assert command.pcm.tolist() == [0.5, -0.5]


def test_a_second_in_every_format_is_a_second() -> None:
    for wire, size in [
        ({"type": "audio/pcm", "rate": 24_000}, 48_000),
        ({"type": "audio/pcm", "rate": 8_000}, 16_000),
        ({"type": "audio/pcmu"}, 8_000),
        ({"type": "audio/pcma"}, 8_000),
    ]:
        session = new_session()
        update(session, audio={"input": {"format": wire}})
        samples = 0
        for command in append(session, bytes(size)).commands:
            assert isinstance(command, do.Audio)
            samples += len(command.pcm)
        assert 15_500 <= samples <= 16_000


def test_an_append_of_nothing_is_nothing() -> None:
    assert append(new_session(), b"") == Received()


@pytest.mark.parametrize(
    ("audio", "code"), [("AAA", "invalid_base64"), ("§", "invalid_base64"), ("AAAA", "invalid_audio")]
)
def test_broken_audio_is_refused(audio: str, code: str) -> None:
    assert problem(send(new_session(), "input_audio_buffer.append", audio=audio)) == (code, "audio")


def test_a_manual_commit_needs_a_tenth_of_a_second() -> None:
    session = new_session()
    update(session, audio={"input": {"turn_detection": None}})
    assert problem(send(session, "input_audio_buffer.commit")) == ("input_audio_buffer_commit_empty", None)
    append(session, bytes(4_798))
    assert problem(send(session, "input_audio_buffer.commit")) == ("input_audio_buffer_commit_empty", None)
    append(session, bytes(2))
    assert send(session, "input_audio_buffer.commit") == Received((do.Commit("mine"),))
    assert problem(send(session, "input_audio_buffer.commit"))[0] == "input_audio_buffer_commit_empty"
    append(session, bytes(9_600))
    assert send(session, "input_audio_buffer.clear") == Received((do.Clear(),))
    assert problem(send(session, "input_audio_buffer.commit"))[0] == "input_audio_buffer_commit_empty"


def test_with_turn_detection_the_agent_knows_what_a_commit_finds() -> None:
    assert send(new_session(), "input_audio_buffer.commit") == Received((do.Commit("mine"),))
