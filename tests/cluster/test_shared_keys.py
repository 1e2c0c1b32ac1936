"""Ephemeral keys that any replica opens for, kept in a real Redis server; only the agents are stand-ins."""

import asyncio
from contextlib import ExitStack, suppress

import pytest
from openai import APIStatusError, AsyncOpenAI
from redis.asyncio import Redis
from websockets.exceptions import InvalidStatus

from realtime.access import shared_secrets
from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.access.client_secrets import SecretsUnavailable, TooManySecrets
from realtime.access.shared_secrets import SharedSecrets
from realtime.sessions.guard import Guard
from tests.cluster.conftest import redis_server
from tests.cluster.shared import shared
from tests.support.realtime_server import Running, serving

KEY = "sesame"


def guard(redis: Redis) -> Guard:
    return Guard("127.0.0.1", Access(KeyRing(KEY), SharedSecrets(redis)))


async def mint(running: Running) -> str:
    async with AsyncOpenAI(api_key=KEY, base_url=f"http://{running.address}/v1", max_retries=0) as client:
        made = await client.realtime.client_secrets.create(session={"type": "realtime", "instructions": "Rhyme."})
    return made.value


def bearing(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


async def test_a_key_of_one_replica_opens_another_with_its_settings(redis_url: str) -> None:
    async with (
        shared(redis_url) as redis,
        serving(redis=redis, guard=guard(redis)) as one,
        serving(redis=redis, guard=guard(redis)) as other,
    ):
        value = await mint(one)
        async with other.connect(additional_headers=bearing(value)) as client:
            assert "Rhyme." in str(await client.recv())
        with pytest.raises(InvalidStatus):
            await other.connect(additional_headers=bearing(value + "a"))
        names = [name async for name in redis.scan_iter()]
        assert names
        assert all(value.encode() not in name for name in names)


async def test_a_key_expires(redis_url: str) -> None:
    async with shared(redis_url) as redis:
        secrets = SharedSecrets(redis)
        value, secret = await secrets.create("maker", 1)
        assert await secrets.find(value) == secret
        while await secrets.find(value):
            await asyncio.sleep(0)


async def test_one_api_key_cannot_fill_redis_nor_the_place_of_others(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_secrets, "MOST_A_KEY", 2)
    async with shared(redis_url) as redis:
        one, other = SharedSecrets(redis), SharedSecrets(redis)
        for replica in (one, other):
            await replica.create("greedy", 100)
        with pytest.raises(TooManySecrets):
            await one.create("greedy", 100)
        await one.create("modest", 100)


async def test_keys_that_expired_make_room_for_others(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_secrets, "MOST_A_KEY", 1)
    async with shared(redis_url) as redis:
        secrets = SharedSecrets(redis)
        await secrets.create("maker", 1)
        refused = True
        while refused:
            with suppress(TooManySecrets):
                await secrets.create("maker", 100)
                refused = False


async def test_without_redis_an_api_key_still_opens(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as life:
        url = life.enter_context(redis_server())
        async with shared(url) as redis, serving(redis=redis, guard=guard(redis)) as running:
            value = await mint(running)
            life.close()
            with pytest.raises(InvalidStatus) as refused:
                await running.connect(additional_headers=bearing(value))
            assert refused.value.response.status_code == 503
            with pytest.raises(APIStatusError) as unmade:
                await mint(running)
            assert (unmade.value.status_code, unmade.value.code) == (503, "keys_unavailable")
            with pytest.raises(SecretsUnavailable):
                await SharedSecrets(redis).find(value)
            async with running.connect(additional_headers=bearing(KEY)) as client:
                await client.recv()
    assert "Redis gives no answer" in caplog.text
