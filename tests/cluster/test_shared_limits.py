"""What one client may use of all replicas together, counted in a real Redis server; only the agents are stand-ins."""

import asyncio
import json
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.limits import session_shares
from realtime.limits.client_limits import ClientLimits
from realtime.limits.session_shares import SharedShares
from realtime.limits.shared_counts import SharedCounts
from realtime.sessions.guard import Guard
from tests.cluster.conftest import redis_server
from tests.cluster.shared import replicas, shared
from tests.support.realtime_server import Running

KEYED = Guard("127.0.0.1", Access(KeyRing("secret")))


async def refusal(connecting: Any) -> str:  # noqa: ANN401 - `websockets.connect`
    with pytest.raises(InvalidStatus) as error:
        await connecting
    return str(json.loads(error.value.response.body or b"")["error"]["code"])


async def statuses(running: Running, requests: int) -> list[int]:
    async with httpx.AsyncClient(base_url=f"http://{running.address}", trust_env=False) as client:
        return [(await client.get("/health")).status_code for _ in range(requests)]


async def test_a_client_s_sessions_count_on_all_replicas(redis_url: str) -> None:
    limits = ClientLimits(trust_loopback=False, sessions_per_client=1)
    async with replicas(redis_url, clients=limits) as (one, other, redis):
        async with one.connect():
            assert await refusal(other.connect()) == "client_session_limit_reached"
        await one.agents[0].ended.wait()
        while await redis.zcard("antiphon:sessions-of:127.0.0.1"):
            await asyncio.sleep(0)
        async with other.connect() as again:
            await again.recv()


async def test_sessions_that_begin_count_on_all_replicas(redis_url: str) -> None:
    limits = ClientLimits(trust_loopback=False, sessions_per_minute=1, sessions_per_client=9)
    async with replicas(redis_url, clients=limits, max_sessions=9) as (one, other, _):
        for running in (one, other, one, other, one):
            async with running.connect() as client:
                await client.recv()
        assert await refusal(other.connect()) == "rate_limit_exceeded"


async def test_requests_count_on_all_replicas(redis_url: str) -> None:
    limits = ClientLimits(trust_loopback=False, requests_per_second=1)
    async with replicas(redis_url, clients=limits) as (one, other, _):
        assert await statuses(one, 10) == [200] * 10
        # One more is allowed each second. By its own count, this replica would allow ten.
        assert 429 in await statuses(other, 10)


async def test_keys_that_were_guessed_at_one_replica_count_at_another(redis_url: str) -> None:
    limits = ClientLimits(trust_loopback=False)
    async with replicas(redis_url, guard=KEYED, clients=limits) as (one, other, _):
        while await refusal(one.connect()) != "too_many_failed_keys":
            pass
        assert await refusal(other.connect()) == "too_many_failed_keys"


async def test_while_redis_is_gone_each_replica_counts_alone(caplog: pytest.LogCaptureFixture) -> None:
    limits = ClientLimits(trust_loopback=False, sessions_per_client=1)
    with ExitStack() as life:
        url = life.enter_context(redis_server())
        async with replicas(url, clients=limits) as (one, other, _):
            life.close()
            async with one.connect(), other.connect():
                assert await refusal(one.connect()) == "client_session_limit_reached"
                assert await refusal(other.connect()) == "client_session_limit_reached"
    assert "hold for each replica alone" in caplog.text


async def test_the_sessions_of_a_replica_that_died_are_forgotten(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session_shares, "_LEASE_S", 0.2)
    async with shared(redis_url) as redis:
        dead = SharedShares(SharedCounts(redis)).one("a", 1)
        assert await dead.__aenter__()
        while not await taken(SharedShares(SharedCounts(redis))):
            await asyncio.sleep(0)
        await dead.__aexit__(None, None, None)
    assert not caplog.text


async def test_a_session_counts_for_as_long_as_it_lasts(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_shares, "_RENEW_S", 0.01)
    async with shared(redis_url) as redis:
        async with SharedShares(SharedCounts(redis)).one("a", 1):
            await redis.flushall()  # as a server that was started anew
            while await taken(SharedShares(SharedCounts(redis))):
                await asyncio.sleep(0)
        assert await taken(SharedShares(SharedCounts(redis)))


async def taken(shares: SharedShares) -> bool:
    """Whether another replica may take the client's only place."""
    async with shares.one("a", 1) as granted:
        return granted
