"""One conversation of the benchmark, spoken in real time or typed, and the answer to its last turn."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from openai.types.realtime import (
    AudioTranscription,
    ConversationItemCreateEvent,
    ConversationItemInputAudioTranscriptionCompletedEvent,
    InputAudioBufferSpeechStartedEvent,
    RealtimeAudioConfig,
    RealtimeAudioConfigInput,
    RealtimeConversationItemFunctionCall,
    RealtimeConversationItemFunctionCallOutput,
    RealtimeConversationItemUserMessage,
    RealtimeErrorEvent,
    RealtimeResponse,
    RealtimeSessionCreateRequest,
    ResponseAudioDeltaEvent,
    ResponseCreatedEvent,
    ResponseCreateEvent,
    ResponseDoneEvent,
    ResponseTextDeltaEvent,
    SessionUpdatedEvent,
    SessionUpdateEvent,
)
from openai.types.realtime.realtime_conversation_item_user_message import Content

from audio.pcm import Pcm
from bench.answers.tasks import Task, Way
from bench.answers.tools import TOOLS, Made, is_right_call
from bench.callers.caller import AUDIBLE
from bench.conversations.thinking import CannotAsk
from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.parsing import ServerEvent
from realtime.protocol.server_events import failure_of, words_of
from realtime.terminal.client import Connection, audio_of, connect

_BLOCK_SAMPLES = WIRE_RATE // 50
_PATIENCE_S = 60
"""Longest wait for the end of an answer."""
_HISS = 0.0005
"""Room noise, RMS, -66 dB: microphones are never silent."""
_REACTION_S = 0.5
"""Time between the end of an answer and the user's next turn."""
_MOST_CALLS = 3
"""Calls in one answer after which it is wrong whatever follows."""


@dataclass(slots=True)
class Answered:
    """The answer to a task."""

    name: str
    kind: str
    question: str
    right: bool = False
    first_packet_ms: float | None = None
    """Spoken: from the last audible sample of the question to the first of the answer. Text: to the first text."""
    heard: str = ""
    said: str = ""
    failure: str = ""
    """The server's reason, if it gave no answer: a wrong one."""
    calls: list[str] = field(default_factory=list)
    """Tool calls, as in get_weather({"city": "Rome"})."""

    @property
    def words(self) -> int:
        return len(self.said.split())


async def ask(url: str, api_key: str, task: Task, way: Way) -> Answered:
    """Hold one conversation in a new session. Raises `PlainError`."""
    sounds = [audio.pcm() for audio in task.audio] if way == "spoken" else []
    async with connect(url, api_key) as connection:
        talk = Talk(connection, task, way)
        await talk.prepare()
        hissing = asyncio.create_task(talk.send_room()) if sounds else None
        try:
            for turn, text in enumerate(task.turns):
                await (talk.say(sounds[turn]) if sounds else talk.write(text))
                async with asyncio.timeout(_PATIENCE_S):
                    await talk.listen()
        except TimeoutError:
            pass  # What did not arrive stays unset, and is wrong.
        finally:
            if hissing is not None:
                hissing.cancel()
                await asyncio.wait([hissing])
    return talk.judged()


class Talk:
    """A session in which one task is asked."""

    def __init__(self, connection: Connection, task: Task, way: Way) -> None:
        self._connection = connection
        self._task = task
        self._way = way
        self._answered = Answered(task.name, task.kind, task.turns[-1])
        self._made: list[Made] = []
        self._asked = 0.0
        """When the question's last audible sample was sent."""
        self._awaited: set[str] = set()
        """Responses that began after the whole question. Earlier ones answer a part of it."""
        self._voice: list[Pcm] = []
        """What is being spoken, from which `send_room` takes its blocks."""
        self._played_until = 0.0

    async def prepare(self) -> None:
        audio = RealtimeAudioConfig(input=RealtimeAudioConfigInput(transcription=AudioTranscription(model="antiphon")))
        session = RealtimeSessionCreateRequest(
            type="realtime",
            audio=audio,
            output_modalities=["audio" if self._way == "spoken" else "text"],
            tools=TOOLS if self._task.has_tools else [],  # type: ignore[arg-type]
        )
        await self._connection.send(SessionUpdateEvent(type="session.update", session=session))
        while not isinstance(event := await self._connection.receive(), SessionUpdatedEvent):
            _check(event)

    async def send_room(self) -> None:
        """Send, in real time until cancelled, what `say` was given, and room noise between."""
        loop, noise = asyncio.get_running_loop(), np.random.default_rng(0)
        began, sent = loop.time(), 0
        while True:
            block = noise.standard_normal(_BLOCK_SAMPLES, np.float32) * np.float32(_HISS)
            speech = self._voice.pop(0) if self._voice else None
            if speech is not None:
                block[: len(speech)] += speech
            await self._connection.send_audio(block)
            sent += _BLOCK_SAMPLES
            if speech is not None and (audible := np.flatnonzero(np.abs(speech) > AUDIBLE)).size:
                self._asked = loop.time() - (_BLOCK_SAMPLES - int(audible[-1])) / WIRE_RATE
            await asyncio.sleep(began + sent / WIRE_RATE - loop.time())

    async def say(self, pcm: Pcm) -> None:
        """Speak a turn, once the answer to the previous one has been played."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._played_until + _REACTION_S - now))
        self._begin()
        # Silence at the end belongs to the room: the agent may answer in it.
        pcm = pcm[: int(np.flatnonzero(np.abs(pcm) > AUDIBLE).max(initial=-1)) + 1]
        self._voice += [pcm[start : start + _BLOCK_SAMPLES] for start in range(0, len(pcm), _BLOCK_SAMPLES)]

    async def write(self, text: str) -> None:
        """Type a turn."""
        self._begin()
        content = [Content(type="input_text", text=text)]
        item = RealtimeConversationItemUserMessage(type="message", role="user", content=content)
        await self._connection.send(ConversationItemCreateEvent(type="conversation.item.create", item=item))
        await self._connection.send(ResponseCreateEvent(type="response.create"))
        self._asked = asyncio.get_running_loop().time()

    async def listen(self) -> None:
        """Follow the answer until it is complete, with the calls of tools in it."""
        while True:
            event = await self._connection.receive()
            _check(event)
            match event:
                case ResponseCreatedEvent() if not self._voice:
                    self._awaited.add(event.response.id or "")
                case ResponseTextDeltaEvent():
                    self._note_first(0.0)
                case ResponseAudioDeltaEvent():
                    self._hear(event)
                case InputAudioBufferSpeechStartedEvent():
                    # What is left of an answer to a part of the question is not played.
                    self._played_until = min(self._played_until, asyncio.get_running_loop().time())
                case ConversationItemInputAudioTranscriptionCompletedEvent():
                    self._answered.heard = f"{self._answered.heard} {event.transcript.strip()}".strip()
                case ResponseDoneEvent() if event.response.id in self._awaited:
                    if await self._finish(event.response):
                        return

    def judged(self) -> Answered:
        """The last answer, and whether it is right."""
        answered, task = self._answered, self._task
        answered.calls = [f"{call.name}({call.arguments})" for call in self._made]
        obeyed = task.rule.holds(answered.said, task.turns[-1]) and is_right_call(task.call, self._made)
        answered.right = obeyed and not answered.failure
        return answered

    def _begin(self) -> None:
        self._answered = Answered(self._task.name, self._task.kind, self._task.turns[-1])
        self._made = []
        self._awaited.clear()

    def _hear(self, event: ResponseAudioDeltaEvent) -> None:
        pcm, now = audio_of(event), asyncio.get_running_loop().time()
        begins = max(now, self._played_until)
        self._played_until = begins + len(pcm) / WIRE_RATE
        audible = np.flatnonzero(np.abs(pcm) > AUDIBLE)
        if audible.size and event.response_id in self._awaited:
            self._note_first(begins - now + float(audible[0]) / WIRE_RATE)

    def _note_first(self, later_s: float) -> None:
        if self._answered.first_packet_ms is None:
            now = asyncio.get_running_loop().time()
            self._answered.first_packet_ms = (now + later_s - self._asked) * 1000

    async def _finish(self, response: RealtimeResponse) -> bool:
        """Take down a response that is done, and serve the calls in it. Returns whether it ends the answer."""
        if response.status == "failed":
            self._answered.failure = failure_of(response)
            return True
        if response.status == "cancelled":
            return False
        self._answered.said = f"{self._answered.said} {words_of(response)}".strip()
        calls = [item for item in response.output or () if isinstance(item, RealtimeConversationItemFunctionCall)]
        for call in calls:
            await self._serve(call)
        if not calls or len(self._made) > _MOST_CALLS:
            return True
        await self._connection.send(ResponseCreateEvent(type="response.create"))
        return False

    async def _serve(self, call: RealtimeConversationItemFunctionCall) -> None:
        self._made.append(Made(call.name, call.arguments))
        right = self._task.call
        result = right.result if right is not None and right.name == call.name else '{"error": "nothing found"}'
        output = RealtimeConversationItemFunctionCallOutput(
            type="function_call_output", call_id=call.call_id or "", output=result
        )
        await self._connection.send(ConversationItemCreateEvent(type="conversation.item.create", item=output))


def _check(event: ServerEvent) -> None:
    if isinstance(event, RealtimeErrorEvent):
        raise CannotAsk(f"the server refused: {event.error.message}")


async def ask_all(
    url: str, api_key: str, tasks: Sequence[Task], way: Way, progress: Callable[[str], None]
) -> list[Answered]:
    """Ask the server at `url` each of `tasks`, one after the other. Raises `PlainError`."""
    answers: list[Answered] = []
    for task in tasks:
        answers.append(await ask(url, api_key, task, way))
        right = sum(answer.right for answer in answers)
        progress(f"{len(answers)} of {len(tasks)} asked, {right} right")
    return answers
