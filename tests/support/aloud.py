"""A conversation in writing that is answered aloud, by any decoder; what the voice was given to say is kept."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from audio.pcm import INPUT_RATE, silence
from pipeline.agent import Agent
from pipeline.commands import AddItem, Audio, Respond
from pipeline.conversation.items import Message
from pipeline.decoders.decoder import Decoder
from pipeline.events import Event
from pipeline.runtime.ids import new_id
from pipeline.runtime.pulse import Pulse
from pipeline.settings import AgentSettings, DecoderSettings, PipelineSettings, StopgapSettings
from pipeline.thinking.schedule import Mode
from pipeline.voice_catalogue import VoiceCatalogue
from tests.support import scripted
from tests.support.talk import SETTINGS
from tts.synthesizer import Clause, Speech, Voice


class Recording(scripted.ScriptedSynthesizer):
    """Keeps what its voices are given to say."""

    def __init__(self) -> None:
        self.clauses: list[Clause] = []

    def open(self, voice: str) -> Voice:
        return RecordingVoice(self.clauses)


class RecordingVoice(scripted.ScriptedVoice):
    def __init__(self, clauses: list[Clause]) -> None:
        self._clauses = clauses

    def speak(self, clause: Clause) -> Iterator[Speech]:
        self._clauses.append(clause)
        return super().speak(clause)


class Talk:
    """A conversation in writing and back in a voice. Its time goes on a little with everything that happens."""

    follows = True

    def __init__(
        self, decoder: Decoder, mode: Mode, agent: AgentSettings, tokens: int = 16, heard: Sequence[str] = ()
    ) -> None:
        settings = PipelineSettings(
            agent=agent,
            decoder=DecoderSettings(temperature=0, max_tokens=tokens),
            stopgaps=StopgapSettings(model_s=0, thought_s=0),
        )
        self.voice = Recording()
        self._engine = replace(
            scripted.engine(heard, [], settings), decoder=decoder, synthesizer=VoiceCatalogue.of(self.voice)
        )
        self.agent = Agent(self._engine, replace(SETTINGS, thinking=mode), self)
        self.events: list[Event] = []
        self.news = Pulse()

    def played(self, response_id: str) -> int | None:
        return None

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self.news.beat()

    async def ready(self) -> None:
        pass

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def let_time_go_on(self) -> None:
        while True:
            await self.news.wait()
            await self.agent.do(Audio(silence(INPUT_RATE // 10)))

    async def ask(self, question: str) -> None:
        await self.agent.do(AddItem(Message(new_id("item"), "user", question)))
        await self.agent.do(Respond())

    async def until(self, kind: type[Any], count: int = 1) -> Any:  # noqa: ANN401 - whichever was asked for
        async with asyncio.timeout(60):
            while len(self.all(kind)) < count:
                await self.news.wait()
        return self.all(kind)[count - 1]

    async def settled(self) -> None:
        """Until the loop has let go of what was cancelled."""
        for _ in range(50):
            await asyncio.sleep(0)

    @asynccontextmanager
    async def held(self) -> AsyncIterator["Talk"]:
        tasks = [asyncio.create_task(self.agent.run()), asyncio.create_task(self.let_time_go_on())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._engine.workers.close()
