"""Ephemeral keys in a Redis server, which all replicas share: one mints a key, and any of them opens for it."""

import time
from collections.abc import Callable

from redis.asyncio import Redis

from realtime.access.api_keys import digest
from realtime.access.client_secrets import (
    DEFAULT_S,
    MOST_A_KEY,
    PREFIX,
    ClientSecret,
    SecretsUnavailable,
    TooManySecrets,
    new_secret,
    read_secret,
    write_secret,
)
from realtime.shared_redis import raising

_CREATE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('ZADD', KEYS[2], now + ARGV[2], KEYS[1])
if redis.call('TTL', KEYS[2]) < tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[2], ARGV[2]) end
return 1
"""


class SharedSecrets:
    """Keeps ephemeral keys in Redis, each until it expires by that server's clock."""

    def __init__(self, redis: Redis, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._now = now
        self._create = redis.register_script(_CREATE)

    async def create(
        self, maker: str, seconds: int = DEFAULT_S, session: str | None = None
    ) -> tuple[str, ClientSecret]:
        value, secret = new_secret(maker, int(self._now()) + seconds, session)
        keys = [_name(secret.sha256), f"antiphon:secrets-of:{maker}"]
        async with raising(SecretsUnavailable):
            created = await self._create(keys=keys, args=[write_secret(secret), seconds, MOST_A_KEY])
        if not created:
            raise TooManySecrets
        return value, secret

    async def find(self, offered: str) -> ClientSecret | None:
        if not offered.startswith(PREFIX):
            return None
        async with raising(SecretsUnavailable):
            kept = await self._redis.get(_name(digest(offered)))
        return None if kept is None else read_secret(kept)


def _name(sha256: str) -> str:
    """Where a key is kept: who can list the names in Redis cannot open sessions with them."""
    return f"antiphon:secret:{sha256}"
