"""Whose prompt is read next. A step that reads a long piece of one holds up every reply that is being written."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PIECE = 64
"""Tokens that are read before others have their turn: a quarter of a second for a small model on one core."""
LONG = 256
"""Tokens from which a prompt is read in pieces."""
_COURTESY_S = 0.1
"""Longest wait, before each piece of a long prompt, for replies to be complete."""
_REST_S = 1.5
"""Time before each piece of whatever is read for a conversation that has used up its allowance, while there are others:
the cores are theirs meanwhile."""
_REFILL_S = 30.0
"""Seconds in which an allowance is full again. A turn of a conversation reads some hundred tokens."""


class ReadingTurns:
    """Lets prompts be read between replies: for each conversation a context's length at once, and so much in 30 s."""

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        """`capacity`: tokens of a context. `clock` returns the time in seconds."""
        self._capacity = capacity
        self._clock = clock
        self._allowances: dict[object, tuple[float, float]] = {}
        """By conversation, the tokens that are left, and when that was. One that is not here has all of them."""
        self._replies = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @contextmanager
    def reply(self) -> Iterator[None]:
        """A reply is being written while the context lasts."""
        self._replies += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._replies -= 1
            if not self._replies:
                self._quiet.set()

    def pieces(self, conversation: object, cached: int, length: int) -> Iterator[tuple[int, float]]:
        """The lengths up to which to read a prompt, of which `cached` tokens are known, before its last piece is.

        With each comes the time to rest before it, in seconds. `conversation` is None for what belongs to none.
        """
        exhausted = not self._take(conversation, length - cached) and len(self._allowances) > 1
        rest_s = _REST_S if exhausted else 0.0
        if not exhausted and length - cached <= LONG:
            return
        for end in range(cached + PIECE, length, PIECE):
            yield end, rest_s
        if exhausted:
            yield length, rest_s

    async def wait(self, rest_s: float, longest_s: float = _COURTESY_S) -> None:
        """Rest, and wait until no reply is being written, but no longer than `longest_s`."""
        await asyncio.sleep(rest_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._quiet.wait()

    def _take(self, conversation: object, tokens: int) -> bool:
        """Whether its allowance covers what `conversation` reads. What it does not cover is not taken from it."""
        if conversation is None:
            return True
        now, speed = self._clock(), self._capacity / _REFILL_S
        current = {
            other: (left + (now - at) * speed, now)
            for other, (left, at) in self._allowances.items()
            if left + (now - at) * speed < self._capacity
        }
        left, _ = current.get(conversation, (float(self._capacity), now))
        covered = left >= tokens
        current[conversation] = (left - tokens if covered else left, now)
        self._allowances = current
        return covered
