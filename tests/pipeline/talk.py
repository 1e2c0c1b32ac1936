"""A scripted person who talks to an agent, in virtual time: ten minutes of talk take a second."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import numpy as np

from pipeline.agent import Agent
from pipeline.audio import INPUT_RATE
from pipeline.commands import Audio, Command, RetrieveItem, ServerVad, SessionSettings
from pipeline.decoders.decoder import Text, ToolCall
from pipeline.engine import Engine
from pipeline.events import Event, Refused
from pipeline.settings import PipelineSettings
from pipeline.smart_turn import SecondOpinion
from pipeline.voices import Choir
from pipeline.workers import Urgency
from tests import doubles

T = TypeVar("T")

SETTINGS = SessionSettings(
    instructions="Be brief.",
    tools=(),
    tool_choice="auto",
    modality="audio",
    voice=doubles.VOICE,
    output_rate=24_000,
    max_output_tokens=None,
    turn_detection=ServerVad(threshold=0.5, prefix_padding_s=0.3, silence_s=0.5),
    transcribe=True,
)


class Talk:
    """One conversation: what the person does, and what the agent told."""

    def __init__(self, engine: Engine, settings: SessionSettings) -> None:
        assert isinstance(engine.decoder, doubles.ScriptedDecoder)
        assert isinstance(engine.encoder, doubles.ScriptedEncoder)
        self.decoder = engine.decoder
        self.encoder = engine.encoder
        self._workers = engine.workers
        self.events: list[Event] = []
        self.agent = Agent(engine, settings, self)
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

    async def speak(self, seconds: float) -> None:
        await self._hear(seconds, 0.3)

    async def break_in(self, seconds: float) -> None:
        """Say what the encoder has `overheard`."""
        await self._hear(seconds, doubles.OVER)

    async def be_silent(self, seconds: float) -> None:
        await self._hear(seconds, 0.0)

    async def ask(self) -> None:
        """A whole turn."""
        await self.speak(1)
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

    async def settled(self) -> None:
        """Wait until the agent has nothing left to do with what was sent."""
        mark = f"mark {len(self.events)}"
        await self.do(RetrieveItem(mark, mark))
        async with asyncio.timeout(60):
            while not any(isinstance(event, Refused) and event.event_id == mark for event in self.events):
                await asyncio.sleep(0)
        for _ in range(5):
            await self._workers.run(Urgency.LISTEN, lambda: None)
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

    async def _hear(self, seconds: float, level: float) -> None:
        pcm = np.full(round(seconds * INPUT_RATE), level, dtype=np.float32)
        await self.do(Audio(pcm))


@asynccontextmanager
async def talk(
    heard: Sequence[str | Exception] = (),
    answers: Sequence[str | ToolCall | Exception] = (),
    *,
    session: SessionSettings = SETTINGS,
    settings: PipelineSettings | None = None,
    doubt: SecondOpinion | None = None,
    decoder: doubles.ScriptedDecoder | None = None,
    choir: Choir | None = None,
    threads: int = 1,
) -> AsyncIterator[Talk]:
    engine = replace(doubles.engine(heard, answers, settings, threads), second_opinion=doubt)
    if decoder is not None:
        engine = replace(engine, decoder=decoder)
    if choir is not None:
        engine = replace(engine, synthesizer=choir)
    conversation = Talk(engine, session)
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
