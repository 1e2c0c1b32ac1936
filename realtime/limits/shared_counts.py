"""Counts of what clients use, in a Redis server that all replicas share."""

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError
from throttled.asyncio import RedisStore
from throttled.asyncio.store.redis import RedisStoreBackend
from throttled.exceptions import StoreUnavailableError
from throttled.types import AsyncRedisClientP

log = logging.getLogger(__name__)

_AGAIN_S = 5.0
"""Time for which Redis is left alone after it gave no answer: meanwhile nobody waits for it."""

T = TypeVar("T")


class SharedCounts:
    """A Redis server as far as it answers."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = monotonic) -> None:
        """`clock`: the time in seconds."""
        self.redis = redis
        self.rates = _Rates(redis)
        """Keeps the rates of `throttled`."""
        self._clock = clock
        self._again_at = 0.0

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """What Redis answers; None if it gives no answer, or gave none just now."""
        if self._clock() < self._again_at:
            return None
        try:
            return await question()
        except (RedisError, StoreUnavailableError, OSError) as error:
            self._again_at = self._clock() + _AGAIN_S
            log.error("limits per client hold for each replica alone, because Redis gives no answer: %s", error)
            return None


class _Rates(RedisStore):
    """throttled's store on a client that is there already, and that somebody else closes."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._backend = _Backend(redis)


class _Backend(RedisStoreBackend):
    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._redis = redis

    def get_client(self) -> AsyncRedisClientP:
        return cast("AsyncRedisClientP", self._redis)
