"""Lets tasks wait for whatever happens next in a conversation, and look for themselves what it was."""

import asyncio


class Pulse:
    """Beats when something has moved. Who looks and then waits, without an await in between, misses no beat."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def beat(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Until the next beat."""
        await self._next.wait()
