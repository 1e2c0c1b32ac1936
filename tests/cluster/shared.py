"""A Redis server's client, as a replica has one, and replicas that share it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from realtime.shared_redis import connected
from tests.support.realtime_server import Running, serving


@asynccontextmanager
async def shared(url: str) -> AsyncIterator[Redis]:
    """A client of the Redis server, which holds nothing of before."""
    async with connected(url) as redis:
        assert redis is not None
        await redis.flushall()
        yield redis


@asynccontextmanager
async def replicas(url: str, **settings: Any) -> AsyncIterator[tuple[Running, Running, Redis]]:  # noqa: ANN401 - as `serving`
    """Two replicas with these settings of `serving`, and the client of the Redis server that they share."""
    async with (
        shared(url) as redis,
        serving(redis=redis, **settings) as one,
        serving(redis=redis, **settings) as other,
    ):
        yield one, other, redis
