"""States of sessions in a Redis server, which all replicas share."""

from redis.asyncio import Redis

from realtime.sessions.state_store import StoreError
from realtime.shared_redis import raising

_CLAIM = """
local state = redis.call('HGET', KEYS[1], 'state')
if state then redis.call('HSET', KEYS[1], 'owner', ARGV[1]) end
return state
"""
_SAVE = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'state', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""


class RedisStore:
    """Keeps states in Redis: they survive the death of a replica, and that of the server as far as it is durable."""

    def __init__(self, redis: Redis) -> None:
        self._claim = redis.register_script(_CLAIM)
        self._save = redis.register_script(_SAVE)

    async def claim(self, key: str, owner: str) -> bytes | None:
        async with raising(StoreError):
            state: bytes | None = await self._claim(keys=[_name(key)], args=[owner])
        return state

    async def save(self, key: str, owner: str, state: bytes, lasts_s: float) -> bool:
        async with raising(StoreError):
            return bool(await self._save(keys=[_name(key)], args=[owner, state, round(lasts_s * 1000)]))


def _name(key: str) -> str:
    return f"antiphon:session:{key}"
