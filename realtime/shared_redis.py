"""The Redis server that the replicas of a cluster share: sessions to be resumed, ephemeral keys, limits per client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

_TIMEOUT_S = 1.0
"""Longest wait for the server: somebody waits for the conversation to begin, or to continue."""


def connect(url: str) -> Redis | None:
    """A client of the server at `url`, as in redis://:password@host:6379/0; rediss:// for TLS. None for an empty one.

    It connects when it is first used. Raises `ValueError`.
    """
    return Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S) if url else None


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Redis | None]:
    """As `connect`, and disconnected at the end of the context."""
    redis = connect(url)
    try:
        yield redis
    finally:
        if redis is not None:
            await redis.aclose()


@asynccontextmanager
async def raising(error: type[Exception]) -> AsyncIterator[None]:
    """Where Redis gives no answer in the context, an `error` says so."""
    try:
        yield
    except (RedisError, OSError) as cause:
        raise error(f"Redis gives no answer: {cause}") from cause
