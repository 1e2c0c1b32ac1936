"""Spoken turns through the whole agent to a model that hears, behind vLLM's API, which a stand-in plays."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np

from audio.pcm import INPUT_RATE
from pipeline.agent import Agent
from pipeline.commands import Audio
from pipeline.decoders.chat.chat_completions import ChatDecoder
from pipeline.encoders.embedding.clips import ClipEncoder
from pipeline.events import Event, OutputText, ResponseDone
from pipeline.settings import AgentSettings, DecoderSettings, PipelineSettings
from tests.support import scripted
from tests.support.chat_server import StandInForVllm, Trouble, samples_of, stand_in_for_vllm
from tests.support.talk import SETTINGS

SORRY = "Sorry, once more."
ANSWER = ("<thi", "nk>A bell.\n</think>\n\nIt is", " a bell.")


class Caller:
    """Speaks and listens; the agent's listener."""

    follows = True

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.agent: Agent | None = None

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def played(self, response_id: str) -> int | None:
        return None

    async def ready(self) -> None:
        pass

    async def speak(self, seconds: float, level: float = 0.3) -> None:
        assert self.agent is not None
        for _ in range(round(seconds * 4)):
            await self.agent.do(Audio(np.full(INPUT_RATE // 4, level, np.float32)))

    async def be_silent(self, seconds: float) -> None:
        await self.speak(seconds, level=0)

    async def until(self, found: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not found():
                await asyncio.sleep(0)

    async def answered(self) -> tuple[ResponseDone, str]:
        """The next answer, and what was said of it; it is heard out."""
        self.events.clear()
        await self.until(lambda: any(isinstance(event, ResponseDone) for event in self.events))
        [done] = [event for event in self.events if isinstance(event, ResponseDone)]
        said = "".join(event.delta for event in self.events if isinstance(event, OutputText))
        await self.be_silent(4)
        return done, said


@asynccontextmanager
async def calling(server: StandInForVllm, turns: int) -> AsyncIterator[Caller]:
    settings = PipelineSettings(
        decoder=DecoderSettings(backend="openai", url=server.url, hears=True, context_tokens=4096),
        agent=AgentSettings(apology=SORRY),
    )
    decoder = ChatDecoder(server.url, "", "Step-Audio-R1", capacity=4096, timeout_s=20, audio_encoder=ClipEncoder())
    engine = replace(scripted.engine(["What is this?"] * turns, [], settings), decoder=decoder)
    caller = Caller()
    caller.agent = Agent(engine, SETTINGS, caller)
    running = asyncio.create_task(caller.agent.run())
    try:
        yield caller
    finally:
        running.cancel()
        await asyncio.wait([running])
        await decoder.close()
        engine.workers.close()


async def test_a_long_turn_is_sent_as_it_is_spoken() -> None:
    async with stand_in_for_vllm(ANSWER) as server, calling(server, 1) as caller:
        await caller.speak(26)
        await caller.until(lambda: len(server.prefills) == 1)
        await caller.speak(2)
        await caller.be_silent(0.75)
        done, said = await caller.answered()
        assert (done.status, said) == ("completed", "It is a bell.")
        early, last = server.asked
        [sent] = early["messages"][1]["content"]
        heard = last["messages"][1]["content"]
        assert heard[0] == sent
        assert samples_of(heard[0]) <= 25 * INPUT_RATE
        assert sum(map(samples_of, heard)) >= 28 * INPUT_RATE


async def test_what_hangs_while_it_is_read_ahead_keeps_nobody_waiting() -> None:
    async with stand_in_for_vllm(ANSWER, troubles=["hangs"]) as server, calling(server, 1) as caller:
        await caller.speak(26)
        await caller.until(lambda: len(server.prefills) == 1)
        await caller.speak(2)
        await caller.be_silent(0.75)
        done, said = await caller.answered()
        assert (done.status, said) == ("completed", "It is a bell.")
        await server.gone.wait()
        assert sum(map(samples_of, server.asked[-1]["messages"][1]["content"])) >= 28 * INPUT_RATE


async def test_errors_are_spoken_and_the_next_turn_is_answered() -> None:
    troubles: tuple[Trouble, ...] = ("refuses", "refuses", "breaks off")
    async with (
        stand_in_for_vllm(("It is a bell. And", " yet"), ANSWER, troubles=troubles) as server,
        calling(server, 3) as caller,
    ):
        for status, words in (("failed", SORRY), ("failed", f"It is a bell. And... {SORRY}"), ("completed", "")):
            await caller.speak(1)
            await caller.be_silent(0.75)
            done, said = await caller.answered()
            assert done.status == status
            assert not words or said == words
