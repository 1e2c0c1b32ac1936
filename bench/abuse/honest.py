"""Ordinary callers of a server that is attacked, each from an address of its own."""

import asyncio
from collections.abc import Mapping, Sequence

from bench.callers.caller import Answered, hold
from bench.conversations.latency import turn_of
from bench.corpus import Recording
from bench.report import percentile
from realtime.terminal.client import connect

_APART_S = 0.7
"""Time between the callers' first turns, so that they do not all end at once."""


class Callers:
    """So many callers, who speak turn after turn, and what they were given."""

    def __init__(self, url: str, corpus: Sequence[Recording], count: int) -> None:
        self._url = url
        self._corpus = corpus
        self._count = count
        self.latencies_ms: list[float] = []
        """Voice to voice."""
        self.timelines_ms: list[Mapping[str, float]] = []
        """When each stage was reached, of every turn that got an answer."""
        self.unanswered = 0
        """Turns that got no answer."""
        self.complaints: list[str] = []
        """What those met that were turned away; the others waited in vain."""

    @property
    def p90_ms(self) -> float | None:
        return percentile(self.latencies_ms, 90)

    async def talk(self, turns: int) -> None:
        """Speak so many turns each."""
        await self._all(turns, asyncio.Event())

    async def talk_until(self, over: asyncio.Event) -> None:
        """Speak until the event is set; the turns that are open then are still counted."""
        await self._all(10**6, over)

    async def _all(self, turns: int, over: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._count):
                tasks.create_task(self._one(number, turns, over))

    async def _one(self, number: int, turns: int, over: asyncio.Event) -> None:
        await asyncio.sleep(number * _APART_S)
        for turn in range(turns):
            if over.is_set():
                return
            spoken = self._corpus[(number + turn) % len(self._corpus)]
            self._note(spoken, await self._hold(f"127.0.9.{number + 1}", spoken))

    async def _hold(self, address: str, spoken: Recording) -> Answered | None:
        """One turn; None: the caller was turned away."""
        try:
            async with connect(self._url, local_address=address) as connection:
                return await hold(connection, spoken)
        except Exception as error:  # whatever a caller meets that is turned away: it counts as not answered
            self.complaints.append(repr(error))
            return None

    def _note(self, spoken: Recording, answered: Answered | None) -> None:
        turn = None if answered is None else turn_of(spoken, answered)
        if turn is None or turn.voice_to_voice_ms is None:
            self.unanswered += 1
        else:
            self.latencies_ms.append(turn.voice_to_voice_ms)
            self.timelines_ms.append(turn.timeline_ms)
