"""Lets tasks wait for the next change in a conversation, whatever it is."""

import asyncio


class Pulse:
    """Wakes its waiters at every beat. A task with no await between its check and its wait misses none."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def beat(self) -> None:
        """Wake everyone who waits now."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next beat."""
        await self._next.wait()
