"""Which conversation holds which of a llama.cpp server's KV caches ("slots")."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Slots:
    """Lends slots one use at a time. A holder gets the slot it used last while nobody took it over meanwhile."""

    def __init__(self, count: int) -> None:
        self._idle: dict[int, Hashable] = dict.fromkeys(range(count))
        """Free slots and who used each last; the least recently used first."""
        self._free = asyncio.Semaphore(count)
        self._last: dict[Hashable, int] = {}

    @asynccontextmanager
    async def lend(self, holder: Hashable) -> AsyncIterator[int]:
        """Wait for a slot, first come, first served; its own if that is idle, else the one that has idled longest."""
        async with self._free:
            slot = self._choose(holder)
            previous = self._idle.pop(slot)
            if previous is not holder:
                self._last.pop(previous, None)
            self._last[holder] = slot
            try:
                yield slot
            finally:
                if self._last.get(holder) == slot:
                    self._idle[slot] = holder
                else:
                    self._idle = {slot: None, **self._idle}

    def forget(self, holder: Hashable) -> None:
        """`holder` will not come back: its slot goes to whoever asks next."""
        slot = self._last.pop(holder, None)
        if slot is not None and slot in self._idle:
            del self._idle[slot]
            self._idle = {slot: None, **self._idle}

    def _choose(self, holder: Hashable) -> int:
        own = self._last.get(holder)
        return own if own is not None and own in self._idle else next(iter(self._idle))
