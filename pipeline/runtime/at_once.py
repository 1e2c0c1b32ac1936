"""How much of one kind each conversation does at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class AtOnce:
    """Lets each conversation do so many things at once; more of them wait, first come, first served."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[object, tuple[asyncio.Semaphore, int]] = {}
        """By conversation, its places, and how many things have one or wait for one."""

    @asynccontextmanager
    async def one(self, conversation: object) -> AsyncIterator[None]:
        """Wait for a place, and have it while the context lasts. None is no conversation, and has no bound."""
        if conversation is None:
            yield
            return
        places, users = self._open.get(conversation, (asyncio.Semaphore(self._most), 0))
        self._open[conversation] = (places, users + 1)
        try:
            async with places:
                yield
        finally:
            places, users = self._open.pop(conversation)
            if users > 1:
                self._open[conversation] = (places, users - 1)
