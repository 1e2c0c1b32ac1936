"""Asking one question over a scripted session."""

import numpy as np
import pytest

from audio.pcm import Pcm, silence
from realtime.protocol.parsing import ServerEvent
from realtime.terminal.ask import NotAnswered, ask
from tests.support.server_events import (
    ScriptedConnection,
    audio,
    committed,
    created,
    done,
    error,
    speech_started,
    transcript,
)

SHORT = silence(480) + np.float32(0.1)
SPOKEN = [speech_started(), committed()]
SOUND = audio(silence(240) + np.float32(0.1))


async def test_the_reply_holds_what_was_heard_and_said() -> None:
    events = [
        *SPOKEN,
        transcript(" Hello. "),
        created(),
        SOUND,
        done("completed", "Hi.", timeline={"first_token": 9}),
    ]
    reply = await ask(ScriptedConnection(events), SHORT)
    assert (reply.transcript, reply.answer, reply.interrupted) == ("Hello.", "Hi.", 0)
    assert reply.timeline_ms == {"first_token": 9}
    assert reply.audio.shape == (240,)
    assert np.any(reply.audio)


async def test_an_answer_in_a_pause_is_not_the_answer() -> None:
    early = [*SPOKEN, transcript("I would"), created(), SOUND]
    events = [
        *early,
        SPOKEN[0],
        done("cancelled"),
        SPOKEN[1],
        transcript("like tea."),
        SOUND,
        done("completed", "With milk?"),
    ]
    reply = await ask(ScriptedConnection(events), SHORT)
    assert (reply.transcript, reply.answer, reply.interrupted) == ("I would like tea.", "With milk?", 1)


async def test_a_sound_without_words_is_answered_all_the_same() -> None:
    session = ScriptedConnection([*SPOKEN, transcript("")], answer=[SOUND, done("completed", "Pardon?")])
    reply = await ask(session, SHORT)
    assert (reply.transcript, reply.answer) == ("", "Pardon?")
    assert [kind for kind in session.sent if kind != "input_audio_buffer.append"] == [
        "session.update",
        "response.create",
    ]


async def test_the_message_of_a_failure_is_reported() -> None:
    for trouble in (done("failed", failure="the model is gone"), error("the model is gone")):
        with pytest.raises(ExceptionGroup) as raised:
            await ask(ScriptedConnection([*SPOKEN, transcript("Hello."), trouble]), SHORT)
        assert raised.group_contains(NotAnswered, match="the model is gone")


async def test_a_silent_recording_is_not_asked() -> None:
    session = ScriptedConnection()
    with pytest.raises(NotAnswered, match="the recording is silent"):
        await ask(session, silence(480))
    assert session.sent == []


async def test_a_server_without_speech_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.terminal.ask._NO_SPEECH_S", 0)
    with pytest.raises(NotAnswered, match="either it holds none, or the server is too busy"):
        await ask(ScriptedConnection(), SHORT)


async def test_speech_that_is_reported_after_the_question_is_waited_for() -> None:
    session = LateConnection([*SPOKEN, transcript("Hello."), created(), SOUND, done("completed", "Hi.")])
    assert (await ask(session, SHORT)).answer == "Hi."


class LateConnection(ScriptedConnection):
    """Stands in for a slow server: returns its events once the question's audio and a block more have arrived."""

    def __init__(self, events: list[ServerEvent]) -> None:
        super().__init__()
        self._late = events

    async def send_audio(self, pcm: Pcm) -> None:
        await super().send_audio(pcm)
        if self.sent.count("input_audio_buffer.append") == 2:
            self._queue(self._late)
