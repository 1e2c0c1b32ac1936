"""Asking one question over a scripted session."""

import asyncio
import base64
from typing import Any

import numpy as np
import pytest

from pipeline.audio import silence
from realtime.ask import NotAnswered, ask
from tts.synthesizer import Pcm

SHORT = silence(480)
SPOKEN = [{"type": "input_audio_buffer.speech_started"}, {"type": "input_audio_buffer.committed"}]
SOUND = {"type": "response.output_audio.delta", "delta": base64.b64encode(b"\1\2" * 240).decode()}


def heard(words: str) -> dict[str, Any]:
    return {"type": "conversation.item.input_audio_transcription.completed", "transcript": words}


def done(status: str, words: str = "", timeline: str = "{}") -> dict[str, Any]:
    output = [{"content": [{"transcript": words}]}]
    error = {"error": {"message": "the model is gone"}}
    response = {"status": status, "output": output, "metadata": {"timeline": timeline}, "status_details": error}
    return {"type": "response.done", "response": response}


class ScriptedSession:
    """Tells its events one after the other, and those of `asked` once a response is asked for."""

    def __init__(self, events: list[dict[str, Any]], asked: list[dict[str, Any]] | None = None) -> None:
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._asked = asked or []
        self.sent: list[str] = []
        self._tell(events)

    async def send(self, event: dict[str, Any]) -> None:
        self.sent.append(event["type"])
        if event["type"] == "response.create":
            self._tell(self._asked)

    async def send_audio(self, pcm: Pcm) -> None:
        pass

    async def receive(self) -> dict[str, Any]:
        return await self._events.get()

    def _tell(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            self._events.put_nowait(event)


async def test_the_reply_holds_what_was_heard_and_said() -> None:
    events = [
        *SPOKEN,
        heard(" Hello. "),
        {"type": "response.created"},
        SOUND,
        done("completed", "Hi.", '{"first_token": 9}'),
    ]
    reply = await ask(ScriptedSession(events), SHORT)  # type: ignore[arg-type]
    assert (reply.transcript, reply.answer, reply.interrupted) == ("Hello.", "Hi.", 0)
    assert reply.timeline_ms == {"first_token": 9}
    assert reply.audio.shape == (240,)
    assert np.any(reply.audio)


async def test_an_answer_in_a_pause_is_not_the_answer() -> None:
    early = [*SPOKEN, heard("I would"), {"type": "response.created"}, SOUND]
    events = [
        *early,
        SPOKEN[0],
        done("cancelled"),
        SPOKEN[1],
        heard("like tea."),
        SOUND,
        done("completed", "With milk?"),
    ]
    reply = await ask(ScriptedSession(events), SHORT)  # type: ignore[arg-type]
    assert (reply.transcript, reply.answer, reply.interrupted) == ("I would like tea.", "With milk?", 1)


async def test_a_sound_without_words_is_answered_all_the_same() -> None:
    session = ScriptedSession([*SPOKEN, heard("")], asked=[SOUND, done("completed", "Pardon?")])
    reply = await ask(session, SHORT)  # type: ignore[arg-type]
    assert (reply.transcript, reply.answer) == ("", "Pardon?")
    assert session.sent == ["session.update", "response.create"]


async def test_what_the_server_says_went_wrong_is_told() -> None:
    for trouble in (done("failed"), {"type": "error", "error": {"message": "the model is gone"}}):
        with pytest.raises(ExceptionGroup) as raised:
            await ask(ScriptedSession([*SPOKEN, heard("Hello."), trouble]), SHORT)  # type: ignore[arg-type]
        assert raised.group_contains(NotAnswered, match="the model is gone")
