"""Whose prompt is read next. A step that reads a long piece of one holds up every reply that is being written."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise

from pipeline.runtime.at_once import AtOnce
from pipeline.runtime.fair_shares import FairShares

PIECE = 32
"""Tokens that are read before others have their turn: a third of a second for a small model on a busy core."""
_SMALL_PIECE = 16
"""The same, of a conversation that has read for long of late."""
SHORT = 64
"""Tokens up to which a prompt is read at once: the words of a turn, or short instructions."""
LONG = 256
"""Tokens from which a prompt leaves others time between its pieces."""
_COURTESY_S = 0.1
"""Longest wait, before each piece of a prompt, for replies to be complete."""
_LONG_READING_S = 10.0
"""Time of reading in pieces from which a conversation yields to others. An able model reads a dozen tools in less."""
_READING_MEMORY_S = 40.0
"""Time after which a third of it still counts."""
_YIELDS = 3.0
"""How much longer than for each piece it rests after it then. Each piece holds up the replies to others."""
_LONGEST_PAUSE_S = 1.0
"""Longest pause for the sake of others after a piece of a long prompt, however long that took on a busy machine."""
_PRESENT_S = 10.0
"""Time for which a conversation counts as there after it has read or written something."""
REFILL_S = 40.0
"""Seconds in which an allowance is full again. A turn of a conversation reads and writes some hundred tokens."""


class ReadingTurns:
    """Lets prompts be read between replies: for each conversation a context's length at once, and so much in 40 s.

    What is written counts, too. While others are there, all but short prompts are read in pieces, and a long one leaves
    them half of the time. A conversation that has read for long of late leaves them three quarters; one that has used
    up its allowance waits until there is enough for each piece.
    """

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        """`capacity`: tokens of a context. `clock` returns the time in seconds."""
        self._capacity = capacity
        self._clock = clock
        self._allowances: dict[object, tuple[float, float]] = {}
        """By conversation, the tokens left when it used some last, and when that was. Others have all of them."""
        self.one_at_a_time = AtOnce(1).one
        """Reading the beginning of a prompt: each conversation reads one."""
        self._reading = FairShares(threads=1, memory_s=_READING_MEMORY_S)
        """The time that pieces took."""
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
        has_company = self._has_company(conversation)
        is_modest, took_s = not has_company or self._reading.used(conversation, self._clock()) < _LONG_READING_S, 0.0
        rests = _YIELDS if not is_modest else 1.0 if length - cached > LONG else 0.0
        at_once = PIECE if not is_modest else SHORT if has_company else LONG
        size = PIECE if is_modest else _SMALL_PIECE
        for start, end in pairwise([*range(cached, length, size), length]):
            owed_s = self._take(conversation, end - start)
            if owed_s == 0 and (end == length or length - cached <= at_once):
                continue
            rest_s = max(owed_s, min(rests * took_s, _LONGEST_PAUSE_S) if self._has_company(conversation) else 0.0)
            began = self._clock()
            yield end, rest_s
            took_s = self._clock() - began - rest_s
            if conversation is not None:
                self._reading.note(conversation, took_s, self._clock())

    def wrote(self, conversation: object, tokens: int) -> None:
        """A reply to `conversation` had so many tokens."""
        self._take(conversation, tokens)

    async def wait(self, rest_s: float, longest_s: float = _COURTESY_S) -> None:
        """Rest, and wait until no reply is being written, but no longer than `longest_s`."""
        await asyncio.sleep(rest_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._quiet.wait()

    def _has_company(self, conversation: object) -> bool:
        """Whether others than `conversation` have used anything of late."""
        since = self._clock() - _PRESENT_S
        return any(at > since for other, (_, at) in self._allowances.items() if other is not conversation)

    def _take(self, conversation: object, tokens: int) -> float:
        """Take so many tokens from the allowance of `conversation`; returns the seconds until it covers them.

        They are 0 while it is alone, and then it gets no deeper into debt.
        """
        if conversation is None:
            return 0.0
        now, speed = self._clock(), self._capacity / REFILL_S
        self._allowances = {
            other: (left, at)
            for other, (left, at) in self._allowances.items()
            if now - at < _PRESENT_S or left + (now - at) * speed < self._capacity
        }
        left, at = self._allowances.get(conversation, (float(self._capacity), now))
        left = min(self._capacity, left + (now - at) * speed)
        has_company = self._has_company(conversation)
        left = left - tokens if has_company else max(left - tokens, min(left, 0.0))
        self._allowances[conversation] = (left, now)
        return max(0.0, -left / speed) if has_company else 0.0
