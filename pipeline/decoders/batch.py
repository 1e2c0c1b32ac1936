"""Conversations that write at the same time write together: one pass through the model gives each its next token."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from pipeline.decoders.reading import Reader, read_each
from pipeline.decoders.sampling import Sampler

Run = Callable[[Callable[[], list[int]]], Awaitable[list[int]]]
"""Does work on the model's thread, after what was asked for before."""


class Batch:
    """Those who wait for a token when the model's thread gets free are one round.

    The next round begins when all of this one have their tokens and had the chance to ask for more, so who writes
    together stays together. Between two rounds, other work gets its turn.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: deque[_Step] = deque()
        """Filled by the event loop, emptied by the model's thread."""
        self._rounds: asyncio.Task[None] | None = None

    async def step(self, reader: Reader, sampler: Sampler, token: int) -> int:
        """Read `token` and draw what follows it. Raises what the model raises, in each who was in the round.

        Cancelled while it waits, it is not read; while it is read, the round goes on.
        """
        step = _Step(reader, sampler, token, asyncio.get_running_loop().create_future())
        self._waiting.append(step)
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._do_rounds())
        return await step.drawn

    async def _do_rounds(self) -> None:
        while self._waiting:
            steps: list[_Step] = []
            try:
                tokens = await self._run(partial(_draw, self._waiting, steps))
            except Exception as error:
                # Where none was taken, the thread takes no more work at all.
                _fail(steps or _taken(self._waiting), error)
            else:
                for step, token in zip(steps, tokens, strict=True):
                    if not step.drawn.done():
                        step.drawn.set_result(token)
            await asyncio.sleep(0)  # who was given a token goes on first, and may ask for the next one


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    reader: Reader
    sampler: Sampler
    token: int
    drawn: asyncio.Future[int]


def _draw(waiting: deque[_Step], steps: list[_Step]) -> list[int]:
    """On the model's thread: all that wait become `steps`. What follows the token of each."""
    steps += _taken(waiting)
    if not steps:
        return []
    logits = read_each([step.reader for step in steps], [step.token for step in steps])
    return [step.sampler.draw(row) for step, row in zip(steps, logits, strict=True)]


def _taken(waiting: deque[_Step]) -> list[_Step]:
    """Those that wait and were not cancelled meanwhile."""
    taken = [waiting.popleft() for _ in range(len(waiting))]
    return [step for step in taken if not step.drawn.cancelled()]


def _fail(steps: Iterable[_Step], error: Exception) -> None:
    for step in steps:
        if not step.drawn.done():
            step.drawn.set_exception(error)
