"""`antiphon ask`: one spoken question to the agent, and its spoken answer, with the time that everything took."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionCompletedEvent,
    InputAudioBufferCommittedEvent,
    InputAudioBufferSpeechStartedEvent,
    RealtimeErrorEvent,
    RealtimeResponse,
    ResponseAudioDeltaEvent,
    ResponseCreatedEvent,
    ResponseCreateEvent,
    ResponseDoneEvent,
)

from audio.errors import PlainError
from audio.pcm import Pcm, silence
from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.parsing import ServerEvent
from realtime.protocol.server_events import failure_of, timeline_of, words_of
from realtime.terminal.client import Connection, audio_of, transcribed_session

_BLOCK_SAMPLES = WIRE_RATE // 50
_PATIENCE_S = 60
"""Longest wait for the next event."""
_NO_SPEECH_S = 20
"""Longest wait for the start of speech to be reported, from the question's last sample. A busy server lags behind."""
_SILENT = 1e-3
"""Peak, -60 dBFS, below which a recording holds nothing that a recognizer could hear."""


@dataclass(slots=True)
class Reply:
    """The answer to a question, and how it came about."""

    transcript: str = ""
    """The whole question as recognized, including parts before a pause that was taken for the end."""
    answer: str = ""
    """The answer to the whole question."""
    interrupted: int = 0
    """Answers that began too early, in a pause of the question, and were stopped."""
    timeline_ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds from the end of speech to each stage of the answer."""
    audio: Pcm = field(default_factory=lambda: silence(0))
    """At 24 kHz."""

    def as_json(self) -> str:
        """The reply without its audio, of which only the length in seconds is given."""
        fields = asdict(self)
        fields["audio_s"] = round(len(fields.pop("audio")) / WIRE_RATE, 3)
        return json.dumps(fields, ensure_ascii=False)


class NotAnswered(PlainError):
    """The question got no answer. The message states why."""


async def ask(connection: Connection, question: Pcm, report: Callable[[str], None] = lambda line: None) -> Reply:
    """Speak `question` (24 kHz) in real time, as a microphone would, and listen until it is answered.

    Calls `report` with each transcript as it arrives. Raises `NotAnswered` and `ConnectionFailed`.
    """
    if not np.any(np.abs(question) > _SILENT):
        raise NotAnswered("the recording is silent")
    await connection.send(transcribed_session())
    listener = _Listener(connection, report)
    speaking = asyncio.create_task(_speak(connection, question, listener.question_ended))
    try:
        return await listener.listen()
    finally:
        speaking.cancel()
        await asyncio.wait([speaking])


async def _speak(connection: Connection, question: Pcm, ended: Callable[[], None]) -> None:
    """Send the question, and then the silence of an open microphone, until cancelled."""
    loop = asyncio.get_running_loop()
    began, sent = loop.time(), 0
    while True:
        block = question[sent : sent + _BLOCK_SAMPLES]
        sent += _BLOCK_SAMPLES
        # A microphone delivers a block after its last sample.
        await asyncio.sleep(began + sent / WIRE_RATE - loop.time())
        await connection.send_audio(np.pad(block, (0, _BLOCK_SAMPLES - len(block))))
        if sent - _BLOCK_SAMPLES < len(question) <= sent:
            ended()


class _Listener:
    """Assembles the reply from the session's events."""

    def __init__(self, connection: Connection, report: Callable[[str], None]) -> None:
        self._connection = connection
        self._report = report
        self._deadline = asyncio.timeout(None)
        self._complete = asyncio.Event()
        self._ended = False
        self._speaking = False
        """Whether a user turn is open."""
        self._answered = False
        """Whether the newest turn has its answer."""
        self._transcripts: list[str] = []
        self._asked_again = False
        self._audio: list[Pcm] = []
        self._reply = Reply()

    def question_ended(self) -> None:
        self._ended = True
        self._check()

    async def listen(self) -> Reply:
        try:
            async with self._deadline, asyncio.TaskGroup() as tasks:
                gathering = tasks.create_task(self._gather())
                await self._complete.wait()
                gathering.cancel()
        except TimeoutError:
            if not self._transcripts and not self._speaking:
                raise NotAnswered(
                    f"the server detected no speech until {_NO_SPEECH_S} s after the recording's end: "
                    "either it holds none, or the server is too busy to keep up"
                ) from None
            raise NotAnswered(f"the server was silent for {_PATIENCE_S} s") from None
        self._reply.transcript = " ".join(filter(None, self._transcripts))
        if self._audio:
            self._reply.audio = np.concatenate(self._audio)
        return self._reply

    async def _gather(self) -> None:
        while True:
            self._check()
            self._take(await self._connection.receive())
            if self._transcripts and not any(self._transcripts) and not self._asked_again:
                # The agent does not answer a sound without words by itself, but here the user waits for an answer.
                self._asked_again = True
                await self._connection.send(ResponseCreateEvent(type="response.create"))

    def _check(self) -> None:
        """Check whether the answer is complete, and set the deadline for the next event."""
        if self._ended and self._answered and not self._speaking:
            self._complete.set()
        in_vain = self._ended and not self._speaking and not self._transcripts
        patience_s = _NO_SPEECH_S if in_vain else _PATIENCE_S
        self._deadline.reschedule(asyncio.get_running_loop().time() + patience_s)

    def _take(self, event: ServerEvent) -> None:
        match event:
            case InputAudioBufferSpeechStartedEvent():
                self._speaking, self._answered = True, False
            case InputAudioBufferCommittedEvent():
                self._speaking = False
            case ConversationItemInputAudioTranscriptionCompletedEvent():
                self._transcripts.append(event.transcript.strip())
                self._report(f"heard: {event.transcript.strip()}")
            case ResponseCreatedEvent():
                self._audio.clear()
            case ResponseAudioDeltaEvent():
                self._audio.append(audio_of(event))
            case ResponseDoneEvent():
                self._done(event.response)
            case RealtimeErrorEvent():
                raise NotAnswered(event.error.message)

    def _done(self, response: RealtimeResponse) -> None:
        match response.status:
            case "cancelled":
                self._reply.interrupted += 1
                self._report("the question continued: the answer was stopped")
            case "failed":
                raise NotAnswered(failure_of(response))
            case _:
                self._answered = True
                self._reply.answer = words_of(response)
                self._reply.timeline_ms = timeline_of(response)
                self._report(f"said: {self._reply.answer}")
