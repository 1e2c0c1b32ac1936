"""An agent with real ears in virtual time: it is given sound step by step, and has done its work after each."""

import asyncio
import threading
from collections.abc import Sequence
from itertools import pairwise

from audio.pcm import INPUT_RATE, Pcm
from pipeline.agent import Agent
from pipeline.commands import Audio, RetrieveItem
from pipeline.engine import Engine
from pipeline.events import Event, Playback, Refused, ResponseDone
from pipeline.runtime.workers import Urgency
from tests.support import serving
from tests.support.scripted import ScriptedDecoder

STEP = INPUT_RATE // 20


class Listener:
    """Somebody with the agent's voice in the ear; notes what happened, and at which sample of the input."""

    follows = True

    def __init__(self, answers: Sequence[str]) -> None:
        """`answers` are what the decoder writes, in turn."""
        self.events: list[Event] = []
        self.done = asyncio.Event()
        """The answer is made."""
        self.decoder = ScriptedDecoder(answers)
        self.now = 0
        """Samples that the agent was given."""
        self.times: list[int] = []
        """The input samples that the agent had been given at each of the events."""
        self._news = asyncio.Event()
        self._mark = ""
        self._marked = asyncio.Event()

    def played(self, response_id: str) -> int | None:
        return None

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()
        self.times.append(self.now)
        if isinstance(event, ResponseDone):
            self.done.set()
        if isinstance(event, Refused) and event.event_id == self._mark:
            self._marked.set()

    async def told(self, mark: str) -> None:
        """Wait until the agent refuses the command of this id."""
        self._mark = mark
        if not any(isinstance(event, Refused) and event.event_id == mark for event in self.events):
            self._marked.clear()
            await self._marked.wait()

    async def answered(self, times: int) -> None:
        """Wait until so many answers are made, or were stopped."""
        while sum(isinstance(event, ResponseDone) for event in self.events) < times:
            self._news.clear()
            await self._news.wait()

    def longest_pause(self) -> int:
        """Samples of input for which the voice was paused at a time, at most."""
        timed = zip(self.events, self.times, strict=True)
        states = [(event.state, at) for event, at in timed if isinstance(event, Playback)]
        spans = pairwise(states)
        return max((end - start for (state, start), (_, end) in spans if state == "paused"), default=0)

    def at(self, kind: type[Event]) -> list[int]:
        """The input samples at which events of this kind came."""
        return [at for event, at in zip(self.events, self.times, strict=True) if isinstance(event, kind)]

    async def ready(self) -> None:
        pass


async def hear(agent: Agent, engine: Engine, listening: Listener, pcm: Pcm) -> None:
    """Step by step; after each the agent has decided, and has made out what it wanted to."""
    for number, start in enumerate(range(0, len(pcm), STEP)):
        listening.now = start + STEP
        await agent.do(Audio(pcm[start : start + STEP]))
        await agent.do(RetrieveItem("", f"step {number}"))
        async with asyncio.timeout(60):
            await listening.told(f"step {number}")
        await asyncio.sleep(0)
        # Both threads come to this only when they have nothing more urgent left.
        both = threading.Barrier(serving.SETTINGS.workers.threads)
        await asyncio.gather(*(engine.workers.run(Urgency.SPEECH, both.wait) for _ in range(both.parties)))
