"""Which conversation holds which of a llama.cpp server's KV caches ("slots")."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager

from pipeline.runtime.at_once import AtOnce

_FEWEST = 2
"""Slots that a conversation may always use at once: one for its words, one for its thoughts."""


class SlotPool:
    """Lends slots, one use at a time. A holder gets the slot it used last, unless another has taken it since.

    A conversation has at most half of them, in use or as it left them, and at least two.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._most = max(_FEWEST, count // 2)
        self._in_use = AtOnce(self._most)
        self._owners: dict[int, object] = {}
        """By slot, the conversation of its last holder."""
        self._idle: dict[int, Hashable] = dict.fromkeys(range(count))
        """Free slots with their last holders, None if these will not come back; the least recently used first."""
        self._free = asyncio.Semaphore(count)
        self._last: dict[Hashable, int] = {}
        self._read: dict[int, Sequence[int]] = {}
        """By slot, the prompt that was read into it last."""

    @property
    def lent(self) -> int:
        """Slots that are in use."""
        return self._count - len(self._idle)

    @asynccontextmanager
    async def lend(self, holder: Hashable, conversation: object, prompt: Sequence[int] = ()) -> AsyncIterator[int]:
        """Wait for a slot, first come, first served: the holder's own if it is idle.

        One that nobody will come back to is better if it has more of `prompt`, and half of it or more: the instructions
        and tools of the conversation before, for example. A newcomer that finds none gets any of these, or the one that
        idled longest. `conversation`: whom it counts for; None: nobody.
        """
        async with self._in_use.one(conversation), self._free:
            slot = self._choose(holder, conversation, prompt)
            self._owners[slot] = conversation
            self.forget(holder)
            previous = self._idle.pop(slot)
            if previous is not holder:
                self._last.pop(previous, None)
            self._last[holder] = slot
            try:
                yield slot
            finally:
                self._idle[slot] = holder if self._last.get(holder) == slot else None

    def note(self, slot: int, prompt: Sequence[int]) -> None:
        """`prompt` has been read into a slot that is lent."""
        self._read[slot] = prompt

    def cached(self, holder: Hashable, conversation: object, prompt: Sequence[int]) -> int:
        """How many tokens of `prompt` the slot has at least that `holder` would be lent now; 0 if it has to wait.

        A new conversation finds its instructions there if the one before had the same.
        """
        own = self._last.get(holder)
        if own is not None and own not in self._idle:
            return self._shared(own, prompt)
        return self._shared(self._choose(holder, conversation, prompt), prompt) if self._idle else 0

    def forget(self, holder: Hashable) -> None:
        """Give up the slot of a `holder` that will not come back: such slots are lent first."""
        slot = self._last.pop(holder, None)
        if slot is not None and slot in self._idle:
            self._idle[slot] = None

    def _choose(self, holder: Hashable, conversation: object, prompt: Sequence[int]) -> int:
        own = self._last.get(holder)
        slots = list(self._idle)
        if conversation is not None and sum(owner is conversation for owner in self._owners.values()) >= self._most:
            slots = [slot for slot in slots if self._owners.get(slot) is conversation] or slots
        left = [slot for slot in slots if self._idle[slot] is None]
        others = [own, *left] if own is not None and own in self._idle else left or slots[:1]
        best = max(others, key=lambda slot: self._shared(slot, prompt))
        return best if 2 * self._shared(best, prompt) >= len(prompt) > 0 else others[0]

    def _shared(self, slot: int, prompt: Sequence[int]) -> int:
        """Length of the beginning that `prompt` shares with what was read into the slot."""
        known = self._read.get(slot, ())
        differs = (at for at, (one, other) in enumerate(zip(known, prompt, strict=False)) if one != other)
        return next(differs, min(len(known), len(prompt)))
