"""Sessions that another replica continues, kept in a real Redis server; only the agents are stand-ins."""

import json
from contextlib import ExitStack
from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.cluster.conftest import redis_server
from tests.cluster.shared import shared
from tests.support.realtime_server import serving

HELLO = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}


async def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    while (event := json.loads(await client.recv()))["type"] != kind:
        pass
    return dict(event)


async def say_hello(client: ClientConnection) -> None:
    await client.send(json.dumps({"type": "conversation.item.create", "item": HELLO}))
    await until(client, "conversation.item.done")


async def test_another_replica_continues_the_session_of_one_that_is_gone(redis_url: str) -> None:
    async with shared(redis_url) as redis:
        async with serving(redis=redis) as one:
            async with one.connect("?resume=1") as client:
                token = (await until(client, "antiphon.resumption"))["token"]
                await say_hello(client)
                client.transport.abort()
            await one.vacant()
        async with serving(redis=redis) as other, other.connect(f"?resume={token}") as client:
            resumption = await until(client, "antiphon.resumption")
            assert resumption["resumed"] is True
            assert [item["content"][0]["text"] for item in resumption["items"]] == ["Hello."]


async def test_the_older_connection_writes_no_more_and_ends(redis_url: str) -> None:
    async with (
        shared(redis_url) as redis,
        serving(redis=redis) as one,
        serving(redis=redis) as other,
        one.connect("?resume=1") as old,
    ):
        token = (await until(old, "antiphon.resumption"))["token"]
        await say_hello(old)
        async with other.connect(f"?resume={token}") as new:
            await until(new, "antiphon.resumption")
            await say_hello(new)
            await say_hello(old)
            assert (await until(old, "error"))["error"]["code"] == "session_resumed_elsewhere"
            new.transport.abort()
        await other.vacant()
        async with other.connect(f"?resume={token}") as again:
            assert len((await until(again, "antiphon.resumption"))["items"]) == 2


async def test_states_expire_and_their_keys_do_not_resume_them(redis_url: str) -> None:
    async with (
        shared(redis_url) as redis,
        serving(redis=redis, resume_s=30.0) as server,
        server.connect("?resume=1") as client,
    ):
        token = (await until(client, "antiphon.resumption"))["token"]
        await say_hello(client)
        keys = [key async for key in redis.scan_iter("antiphon:session:*")]
        assert all(token.encode() not in key for key in keys)
        # It outlives a replica that dies now by the time that a client has, and by a refresh that it did not get.
        assert any([30_000 < await redis.pttl(key) <= 50_000 for key in keys])


async def test_conversations_go_on_while_redis_is_gone() -> None:
    with ExitStack() as life:
        url = life.enter_context(redis_server())
        async with shared(url) as redis, serving(redis=redis) as server, server.connect("?resume=1") as client:
            token = (await until(client, "antiphon.resumption"))["token"]
            await say_hello(client)
            life.close()
            await say_hello(client)
            client.transport.abort()
            await server.vacant()
            async with server.connect(f"?resume={token}") as again:
                assert (await until(again, "antiphon.resumption"))["resumed"] is False
