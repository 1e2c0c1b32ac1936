"""Batched generation: one pass through the model gives every generating conversation its next token."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from pipeline.decoders.torch_models.kv_reader import KvReader, read_each
from pipeline.decoders.torch_models.sampler import Sampler

Run = Callable[[Callable[[], list[int]]], Awaitable[list[int]]]
"""Runs work on the model's thread, after what was queued before."""


class TokenBatcher:
    """Gathers the conversations that wait for a token when the model's thread becomes free into one round.

    The next round begins when each of this one has its token and had the chance to ask for another, so conversations
    that generate together stay together. Between two rounds, other work gets its turn.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: deque[_Step] = deque()
        """Filled by the event loop, emptied by the model's thread."""
        self._rounds: asyncio.Task[None] | None = None

    async def step(self, reader: KvReader, sampler: Sampler, token: int) -> int:
        """Read `token` and draw the next one. An error of the model is raised in every step of the round.

        Cancelled while it waits, the token is not read; cancelled while it is read, the round continues.
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
                # If no step was taken, the thread accepts no more work at all.
                _fail(steps or _taken(self._waiting), error)
            else:
                for step, token in zip(steps, tokens, strict=True):
                    if not step.drawn.done():
                        step.drawn.set_result(token)
            await asyncio.sleep(0)  # whoever got a token resumes first, and may ask for the next one


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    reader: KvReader
    sampler: Sampler
    token: int
    drawn: asyncio.Future[int]


def _draw(waiting: deque[_Step], steps: list[_Step]) -> list[int]:
    """On the model's thread: move everything that waits to `steps`, and draw the next token of each."""
    steps += _taken(waiting)
    if not steps:
        return []
    logits = read_each([step.reader for step in steps], [step.token for step in steps])
    return [step.sampler.draw(row) for step, row in zip(steps, logits, strict=True)]


def _taken(waiting: deque[_Step]) -> list[_Step]:
    """Empty the queue; returns the steps that were not cancelled meanwhile."""
    taken = [waiting.popleft() for _ in range(len(waiting))]
    return [step for step in taken if not step.drawn.cancelled()]


def _fail(steps: Iterable[_Step], error: Exception) -> None:
    for step in steps:
        if not step.drawn.done():
            step.drawn.set_exception(error)
