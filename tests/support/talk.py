"""A scripted person who talks to an agent, in virtual time: ten minutes of talk take a second."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from audio.pcm import INPUT_RATE
from pipeline.agent import Agent
from pipeline.commands import Audio, Command, RetrieveItem, ServerVad, SessionSettings
from pipeline.conversation.items import Item
from pipeline.decoders.chat.chat_messages import chat_messages
from pipeline.decoders.decoder import Text
from pipeline.decoders.thought_formats import QWEN3
from pipeline.engine import Engine
from pipeline.events import Event, OutputText, Refused, ResponseDone
from pipeline.listening.smart_turn import SecondOpinion
from pipeline.runtime.workers import Urgency
from pipeline.settings import PipelineSettings
from pipeline.voice_catalogue import VoiceCatalogue
from tests.support import scripted
from tests.support.strict_history import complaint

T = TypeVar("T")

SETTINGS = SessionSettings(
    instructions="Be brief.",
    tools=(),
    tool_choice="auto",
    modality="audio",
    voice=scripted.VOICE,
    output_rate=24_000,
    max_output_tokens=None,
    turn_detection=ServerVad(threshold=0.5, prefix_padding_s=0.3, silence_s=0.5),
    transcribe=True,
)

SPEECH = 0.3
"""The level of what the person says, unless it is said over the agent's voice."""

TEN_WORDS = "One two three, four five six seven eight nine ten."


class Talk:
    """One conversation: what the person does, and what the agent told."""

    def __init__(self, engine: Engine, settings: SessionSettings, items: Sequence[Item] = ()) -> None:
        assert isinstance(engine.decoder, scripted.ScriptedDecoder)
        assert isinstance(engine.encoder, scripted.ScriptedEncoder)
        self.decoder = engine.decoder
        self.encoder = engine.encoder
        self._workers = engine.workers
        self.events: list[Event] = []
        self.agent = Agent(engine, settings, self, items)
        self._seen = 0

    follows = True

    def played(self, response_id: str) -> int | None:
        return None

    def emit(self, event: Event) -> None:
        self.events.append(event)

    async def ready(self) -> None:
        pass

    async def do(self, *commands: Command) -> None:
        for command in commands:
            await self.agent.do(command)

    async def speak(self, seconds: float, level: float = SPEECH) -> None:
        await self._hear(seconds, level)

    async def break_in(self, seconds: float) -> None:
        """Say what the encoder has `overheard`."""
        await self._hear(seconds, scripted.OVER)

    async def be_silent(self, seconds: float) -> None:
        await self._hear(seconds, 0.0)

    async def ask(self, level: float = SPEECH) -> None:
        """A whole turn."""
        await self.speak(1, level)
        await self.be_silent(0.7)

    async def until(self, kind: type[T], found: Callable[[T], bool] = lambda event: True) -> T:
        """The next event of this kind that has not been waited for before."""
        async with asyncio.timeout(60):
            while True:
                while self._seen < len(self.events):
                    event = self.events[self._seen]
                    self._seen += 1
                    if isinstance(event, kind) and found(event):
                        return event
                await asyncio.sleep(0)

    async def silent_until(self, kind: type[T]) -> T:
        """Like `until`, while a silent microphone goes on: for work that takes its time in another thread."""
        async with asyncio.timeout(60):
            while not any(isinstance(event, kind) for event in self.events[self._seen :]):
                await self.be_silent(0.1)
                await asyncio.sleep(0.001)
        return await self.until(kind)

    async def settled(self) -> None:
        """Wait until the agent has nothing left to do with what was sent."""
        mark = f"mark {len(self.events)}"
        await self.do(RetrieveItem(mark, mark))
        async with asyncio.timeout(60):
            while not any(isinstance(event, Refused) and event.event_id == mark for event in self.events):
                await asyncio.sleep(0)
        for _ in range(5):
            await self._workers.run(Urgency.LISTEN, lambda: None)
            await self._workers.aside(lambda: None)
            for _ in range(10):
                await asyncio.sleep(0)

    def all(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def forget(self) -> None:
        """What happened so far."""
        self.events.clear()
        self._seen = 0

    def kinds(self) -> list[str]:
        """The names of the events so far, repeats in a row told once."""
        names = [type(event).__name__ for event in self.events]
        return [name for name, before in zip(names, ["", *names], strict=False) if name != before]

    def prompt(self, number: int) -> list[str]:
        """The words that the answer of that number was asked on."""
        return [unit.text for unit in self.decoder.prompts[number] if isinstance(unit, Text)]

    def messages(self, number: int) -> list[dict[str, Any]]:
        """The messages of a chat completion that the answer of that number was asked on, which a server accepts."""
        messages = chat_messages("Be brief.", self.decoder.prompts[number], QWEN3)
        assert complaint(messages) is None, complaint(messages)
        return messages

    async def _hear(self, seconds: float, level: float) -> None:
        pcm = np.full(round(seconds * INPUT_RATE), level, dtype=np.float32)
        await self.do(Audio(pcm))


def said(conversation: Talk) -> str:
    """All that the agent has said so far."""
    return "".join(event.delta for event in conversation.all(OutputText))


async def answered(conversation: Talk) -> ResponseDone:
    """The next answer that ends."""
    return await conversation.until(ResponseDone)


@asynccontextmanager
async def talk(
    heard: Sequence[str | Exception] = (),
    answers: Sequence[scripted.ScriptedAnswer] = (),
    *,
    session: SessionSettings = SETTINGS,
    settings: PipelineSettings | None = None,
    doubt: SecondOpinion | None = None,
    decoder: scripted.ScriptedDecoder | None = None,
    encoder: scripted.ScriptedEncoder | None = None,
    choir: VoiceCatalogue | None = None,
    threads: int = 1,
    items: Sequence[Item] = (),
) -> AsyncIterator[Talk]:
    engine = replace(scripted.engine(heard, answers, settings, threads), second_opinion=doubt)
    if decoder is not None:
        engine = replace(engine, decoder=decoder)
    if encoder is not None:
        engine = replace(engine, encoder=encoder)
    if choir is not None:
        engine = replace(engine, synthesizer=choir)
    conversation = Talk(engine, session, items)
    running = asyncio.create_task(conversation.agent.run())
    try:
        yield conversation
    finally:
        failed = running.done()
        running.cancel()
        await asyncio.wait([running])
        engine.workers.close()
        if failed:
            await running
        assert conversation.decoder.open_contexts == 0, "a context was not closed"
