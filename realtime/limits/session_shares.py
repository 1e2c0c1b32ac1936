"""How many sessions each client holds, on one server or on all replicas of a cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from secrets import token_hex
from typing import Protocol

from realtime.limits.shared_counts import SharedCounts
from realtime.limits.shares import Shares

_LEASE_S = 15.0
"""Time after which sessions of a replica that died count no more."""
_RENEW_S = 5.0

_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if tonumber(ARGV[2]) > 0 and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""


class SessionShares(Protocol):
    """Counts the sessions of each client."""

    def one(self, client: str, most: int) -> AbstractAsyncContextManager[bool]:
        """Count one session of `client` while the context lasts. False, and nothing is counted: it holds `most`.

        `most`: 0 is no limit.
        """
        ...


class OwnShares:
    """Counts the sessions of one server."""

    def __init__(self) -> None:
        self._held = Shares()

    @asynccontextmanager
    async def one(self, client: str, most: int) -> AsyncIterator[bool]:
        if most and self._held[client] >= most:
            yield False
            return
        with self._held.one(client):
            yield True


class SharedShares:
    """Counts the sessions of all replicas, in Redis; while that gives no answer, those of this replica.

    Each session is a lease, which its replica renews: those of a replica that dies expire.
    """

    def __init__(self, shared: SharedCounts) -> None:
        self._shared = shared
        self._held = Shares()
        self._script = shared.redis.register_script(_TAKE)

    @asynccontextmanager
    async def one(self, client: str, most: int) -> AsyncIterator[bool]:
        lease = token_hex(8)
        taken = await self._take(client, lease, most)
        if taken is None:
            taken = not most or self._held[client] < most
        if not taken:
            yield False
            return
        renewing = asyncio.create_task(self._renew(client, lease))
        try:
            with self._held.one(client):
                yield True
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            await self._shared.ask(lambda: self._shared.redis.zrem(_name(client), lease))

    async def _take(self, client: str, lease: str, most: int) -> bool | None:
        arguments: list[str | int] = [lease, most, round(_LEASE_S * 1000)]
        taken = await self._shared.ask(lambda: self._script(keys=[_name(client)], args=arguments))
        return None if taken is None else bool(taken)

    async def _renew(self, client: str, lease: str) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            await self._take(client, lease, 0)


def _name(client: str) -> str:
    return f"antiphon:sessions-of:{client}"
