"""`antiphon ask`: one spoken question to the agent, and its spoken answer, with the time that everything took."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pipeline.audio import silence
from pipeline.errors import PlainError
from realtime.client import WIRE_RATE, Connection, audio_of
from tts.synthesizer import Pcm

_BLOCK_SAMPLES = WIRE_RATE // 50
_PATIENCE_S = 60
"""Longest wait for the server to say anything."""
_NO_SPEECH_S = 3
"""Wait for signs of speech after the question's last sample."""


@dataclass(slots=True)
class Reply:
    """What came of a question."""

    transcript: str = ""
    """What was heard, all of it, also where a pause was taken for the end."""
    answer: str = ""
    """The answer to the whole question."""
    interrupted: int = 0
    """Answers that were begun too early, in a pause of the question, and stopped."""
    timeline_ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds from the end of speech to each stage of the answer."""
    audio: Pcm = field(default_factory=lambda: silence(0))
    """At 24 kHz."""

    def as_json(self) -> str:
        fields = asdict(self)
        fields["audio_s"] = round(len(fields.pop("audio")) / WIRE_RATE, 3)
        return json.dumps(fields, ensure_ascii=False)


class NotAnswered(PlainError):
    """The question got no answer; the message says why."""


async def ask(connection: Connection, question: Pcm, tell: Callable[[str], None] = lambda line: None) -> Reply:
    """Speak `question` (24 kHz) in real time, as a microphone would, and listen until it is answered.

    `tell` hears of what is heard and said as it comes. Raises `NotAnswered` and `ConnectionFailed`.
    """
    transcription = {"type": "realtime", "audio": {"input": {"transcription": {"model": "antiphon"}}}}
    await connection.send({"type": "session.update", "session": transcription})
    listener = _Listener(connection, tell)
    speaking = asyncio.create_task(_speak(connection, question, listener.question_ended))
    try:
        return await listener.listen()
    finally:
        speaking.cancel()
        await asyncio.wait([speaking])


async def _speak(connection: Connection, question: Pcm, ended: Callable[[], None]) -> None:
    """The question, and then the silence of an open microphone, until cancelled."""
    loop = asyncio.get_running_loop()
    began, sent = loop.time(), 0
    while True:
        block = question[sent : sent + _BLOCK_SAMPLES]
        sent += _BLOCK_SAMPLES
        # A microphone delivers a block when its last sample has sounded.
        await asyncio.sleep(began + sent / WIRE_RATE - loop.time())
        await connection.send_audio(np.pad(block, (0, _BLOCK_SAMPLES - len(block))))
        if sent - _BLOCK_SAMPLES < len(question) <= sent:
            ended()


class _Listener:
    """Makes the reply out of the session's events."""

    def __init__(self, connection: Connection, tell: Callable[[str], None]) -> None:
        self._connection = connection
        self._tell = tell
        self._deadline = asyncio.timeout(None)
        self._complete = asyncio.Event()
        self._ended = False
        self._speaking = False
        """Whether a turn of the person is open."""
        self._answered = False
        """Whether the newest turn has its answer."""
        self._transcripts: list[str] = []
        self._asked_again = False
        self._audio: list[Pcm] = []
        self._reply = Reply()

    def question_ended(self) -> None:
        self._ended = True
        self._look()

    async def listen(self) -> Reply:
        try:
            async with self._deadline, asyncio.TaskGroup() as tasks:
                gathering = tasks.create_task(self._gather())
                await self._complete.wait()
                gathering.cancel()
        except TimeoutError:
            if not self._transcripts and not self._speaking:
                raise NotAnswered("no speech was heard in the question") from None
            raise NotAnswered(f"the server was silent for {_PATIENCE_S} s") from None
        self._reply.transcript = " ".join(filter(None, self._transcripts))
        if self._audio:
            self._reply.audio = np.concatenate(self._audio)
        return self._reply

    async def _gather(self) -> None:
        while True:
            self._look()
            self._take(await self._connection.receive())
            if self._transcripts and not any(self._transcripts) and not self._asked_again:
                # A sound without words is not answered unasked; but here somebody waits for an answer.
                self._asked_again = True
                await self._connection.send({"type": "response.create"})

    def _look(self) -> None:
        """See whether that is all, or how long to wait for more."""
        if self._ended and self._answered and not self._speaking:
            self._complete.set()
        in_vain = self._ended and not self._speaking and not self._transcripts
        patience_s = _NO_SPEECH_S if in_vain else _PATIENCE_S
        self._deadline.reschedule(asyncio.get_running_loop().time() + patience_s)

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._speaking, self._answered = True, False
            case "input_audio_buffer.committed":
                self._speaking = False
            case "conversation.item.input_audio_transcription.completed":
                self._transcripts.append(event["transcript"].strip())
                self._tell(f"heard: {event['transcript'].strip()}")
            case "response.created":
                self._audio.clear()
            case "response.output_audio.delta":
                self._audio.append(audio_of(event))
            case "response.done":
                self._done(event["response"])
            case "error":
                raise NotAnswered(event["error"]["message"])

    def _done(self, response: dict[str, Any]) -> None:
        match response["status"]:
            case "cancelled":
                self._reply.interrupted += 1
                self._tell("went on: the answer was stopped")
            case "failed":
                raise NotAnswered(response["status_details"]["error"]["message"])
            case _:
                self._answered = True
                parts = [part for item in response["output"] for part in item.get("content", ())]
                self._reply.answer = " ".join(part["transcript"] for part in parts if part.get("transcript"))
                self._reply.timeline_ms = json.loads((response.get("metadata") or {}).get("timeline", "{}"))
                self._tell(f"said: {self._reply.answer}")
