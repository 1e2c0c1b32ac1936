"""Requests for speech and transcripts count for their client, and so does their work."""

import asyncio
import json

from starlette.types import Message, Receive, Scope, Send

from pipeline.runtime.workers import account
from realtime.access.access import Caller
from realtime.limits.client_limits import ClientLimits
from realtime.limits.middleware import SessionLimiter
from realtime.limits.refusals import Refusals


class Endpoint:
    """An application that answers when it is let."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let = asyncio.Event()
        self.accounts: list[object] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.accounts.append(account())
        self.asked.set()
        await self.let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def asked(app: SessionLimiter, host: str, key: str = "", prefix: str = "") -> list[Message]:
    """What a client gets that asks for speech, where the application is mounted under `prefix`."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    path = f"{prefix}/v1/audio/speech"
    scope = {"type": "http", "method": "POST", "path": path, "root_path": prefix, "headers": [], "client": (host, 1)}
    await app({**scope, "state": {"caller": Caller(key)}}, receive, send)
    return sent


async def test_they_count_under_a_prefix_too() -> None:
    endpoint = Endpoint()
    app = SessionLimiter(endpoint, ClientLimits(sessions_per_client=1), Refusals())
    first = asyncio.create_task(asked(app, "192.0.2.1", prefix="/agents"))
    await endpoint.asked.wait()
    async with asyncio.timeout(60):
        start, _ = await asked(app, "192.0.2.1", prefix="/agents")
    endpoint.let.set()
    assert start["status"] == 429
    await first


async def test_a_client_has_no_more_of_them_at_once_than_sessions_and_work_that_is_its_own() -> None:
    endpoint = Endpoint()
    app = SessionLimiter(endpoint, ClientLimits(sessions_per_client=1, sessions_per_minute=1), Refusals())
    first = asyncio.create_task(asked(app, "192.0.2.1"))
    await endpoint.asked.wait()
    start, body = await asked(app, "192.0.2.1")
    assert start["status"] == 429
    assert json.loads(body["body"])["error"]["code"] == "client_session_limit_reached"
    endpoint.let.set()
    assert [message["status"] for message in await first] == [200]
    for _ in range(10):
        [answer] = await asked(app, "192.0.2.1")
        assert answer["status"] == 200
    await asked(app, "192.0.2.2")
    await asked(app, "192.0.2.2", key="phone")
    assert len({*endpoint.accounts}) == 3
    assert None not in endpoint.accounts
