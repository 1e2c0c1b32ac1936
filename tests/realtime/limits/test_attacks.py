"""What one client can take from a server: attacks over loopback, whose exemption is off, and no attack's cost grows."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pipeline.commands import Respond, RetrieveItem
from pipeline.runtime.workers import account
from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.limits.client_limits import ClientLimits
from realtime.limits.middleware import FAILURES_BURST
from realtime.limits.pace import PaceLimits
from realtime.sessions.guard import Guard
from tests.support.realtime_server import Running, ScriptedAgent, serving

STRICT = ClientLimits(trust_loopback=False)


def http(running: Running) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{running.address}", trust_env=False)


async def half_a_request(running: Running, sent: bytes) -> bytes:
    """What the server answers to a client that sends no more than this, until it closes."""
    host, _, port = running.address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def refused(connecting: Any) -> tuple[int, str, Any]:  # noqa: ANN401 - `websockets.connect` and its headers
    with pytest.raises(InvalidStatus) as error:
        await connecting
    response = error.value.response
    return response.status_code, json.loads(response.body or b"")["error"]["code"], response.headers


@pytest.mark.parametrize(
    "sent", [b"", b"GET /health HTTP/1.1\r\nHost: loc", b"POST /v1/realtime/calls HTTP/1.1\r\nHost: localhost\r\n"]
)
async def test_half_a_head_does_not_stay_open_for_ever(sent: bytes) -> None:
    async with serving(clients=ClientLimits(request_timeout_s=0.1)) as running:
        assert (await half_a_request(running, sent)).startswith(b"HTTP/1.1 408 ")
        assert len(running.server.connections) == 0


async def test_the_second_request_of_a_connection_has_a_deadline_too() -> None:
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with serving(clients=ClientLimits(request_timeout_s=0.1)) as running:
        answer = await half_a_request(running, request + b"GET /health HTTP/1.1\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in answer


async def test_half_a_form_holds_a_place_and_not_for_long() -> None:
    head = b"POST /v1/realtime/calls HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    form = head + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    async with serving(max_sessions=1, clients=ClientLimits(request_timeout_s=0.2)) as running:
        answers = await asyncio.gather(*(half_a_request(running, form) for _ in range(3)))
        assert sorted(b"session_limit_reached" in answer for answer in answers) == [False, True, True]
        assert sum(b'"request_timeout"' in answer for answer in answers) == 1
        assert len(running.app.state.sessions) == 0


async def test_three_hundred_silent_connections_take_nobody_elses_place() -> None:
    limits = ClientLimits(trust_loopback=False, connections_per_client=20, request_timeout_s=0.5)
    async with serving(clients=limits) as running:
        answers = await asyncio.gather(*(half_a_request(running, b"GET / HTTP/1.1\r\n") for _ in range(300)))
        assert sum(answer.startswith(b"HTTP/1.1 408") for answer in answers) == 20
        assert running.app.state.refusals.counts()["too_many_connections"] == 280
        assert len(running.server.connections) == 0
        async with running.connect() as client:
            assert json.loads(await client.recv())["type"] == "session.created"
            assert len(running.server.connections) == 1


async def test_a_client_holds_no_more_than_its_share_of_the_sessions() -> None:
    limits = ClientLimits(trust_loopback=False, sessions_per_client=1)
    async with serving(clients=limits) as running:
        async with running.connect():
            status, code, headers = await refused(running.connect())
            assert (status, code) == (429, "client_session_limit_reached")
            assert int(headers["retry-after"]) > 0
            async with http(running) as client:
                answer = await client.post("/v1/realtime/calls", content=b"")
            assert answer.json()["error"]["code"] == "client_session_limit_reached"
            assert len(running.agents) == 1
        await running.agents[0].ended.wait()
        async with running.connect() as again:
            await again.recv()
        assert running.app.state.refusals.counts() == {"client_session_limit_reached": 2}


async def test_a_client_that_connects_again_is_counted_by_what_it_used_before() -> None:
    counted_by: list[object] = []

    class Counted(ScriptedAgent):
        async def run(self) -> None:
            counted_by.append(account())
            await super().run()

    async with serving(Counted, max_sessions=3) as running:
        async with running.connect() as one, running.connect() as other:
            await asyncio.gather(one.recv(), other.recv())
        await asyncio.gather(*(agent.ended.wait() for agent in running.agents))
        await running.app.state.sessions.vacant()
        async with running.connect() as again:
            await again.recv()
    first, second, third = counted_by
    assert first is not second
    assert third in (first, second)


async def test_an_api_key_has_a_share_of_its_own() -> None:
    limits = ClientLimits(trust_loopback=False, sessions_per_client=1, sessions_per_key=2)
    guard = Guard("127.0.0.1", Access(KeyRing("secret")))
    offered = {"Authorization": "Bearer secret"}
    async with (
        serving(guard=guard, clients=limits, max_sessions=3) as running,
        running.connect(additional_headers=offered),
        running.connect(additional_headers=offered),
    ):
        status, code, _ = await refused(running.connect(additional_headers=offered))
        assert (status, code) == (429, "client_session_limit_reached")


async def test_sessions_that_come_and_go_too_fast_are_refused() -> None:
    limits = ClientLimits(trust_loopback=False, sessions_per_minute=30, sessions_per_client=9)
    async with serving(clients=limits, max_sessions=9) as running:
        for _ in range(5):
            async with running.connect() as client:
                await client.recv()
        status, code, headers = await refused(running.connect())
        assert (status, code, headers["x-ratelimit-remaining-requests"]) == (429, "rate_limit_exceeded", "0")


async def test_requests_are_bounded_before_anything_is_done_for_them() -> None:
    async with serving(clients=ClientLimits(trust_loopback=False, requests_per_second=1)) as running:
        async with http(running) as client:
            answers = [(await client.get("/health")).status_code for _ in range(12)]
            assert answers[:10] == [200] * 10
            assert answers[-1] == 429
            assert (await client.get("/health")).headers["retry-after"] == "1"
        assert (await refused(running.connect()))[:2] == (429, "rate_limit_exceeded")


async def test_keys_cannot_be_guessed_for_long(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(guard=Guard("127.0.0.1", Access(KeyRing("secret"))), clients=STRICT) as running:
        for _ in range(FAILURES_BURST):
            assert (await refused(running.connect()))[0] == 401
        status, code, headers = await refused(running.connect(additional_headers={"Authorization": "Bearer secret"}))
        assert (status, code) == (429, "too_many_failed_keys")
        assert int(headers["retry-after"]) > 0
        assert caplog.text.count("offered a wrong key") == FAILURES_BURST
        assert running.app.state.refusals.counts() == {"invalid_api_key": 10, "too_many_failed_keys": 1}


async def test_a_client_on_this_machine_is_exempt_unless_told_otherwise() -> None:
    async with (
        serving(clients=ClientLimits(sessions_per_client=1, sessions_per_minute=1)) as running,
        running.connect() as one,
        running.connect() as other,
    ):
        for client in (one, other):
            assert json.loads(await client.recv())["type"] == "session.created"


async def closed(client: ClientConnection) -> str:
    """The code of the last error before the server closed."""
    code = ""
    try:
        while True:
            event = json.loads(await client.recv())
            code = event["error"]["code"] if event["type"] == "error" else code
    except ConnectionClosed:
        return code


async def test_an_idle_socket_is_closed() -> None:
    async with serving(idle_s=0.2) as running, running.connect() as client:
        assert await closed(client) == "session_idle"
        await running.agents[0].ended.wait()


async def test_a_flood_of_events_is_slowed_down_and_nothing_of_it_is_lost() -> None:
    async with serving(pace=PaceLimits(events_per_second=100)) as running, running.connect() as client:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(1_050):
            await client.send('{"type":"conversation.item.retrieve","item_id":"x"}')
        await client.send('{"type":"session.update","session":{"type":"realtime"}}')
        while json.loads(await client.recv())["type"] != "session.updated":
            pass
        assert loop.time() - began > 0.5
        assert len(running.agents[0].seen) == 1_051


RETRIEVE = '{"type":"conversation.item.retrieve","item_id":"x"}'
ELSEWHERE = ("127.0.0.2", 0)


async def test_a_client_that_sends_too_fast_is_as_slow_when_it_connects_again_and_others_are_not() -> None:
    async with serving(pace=PaceLimits(events_per_second=0.1)) as running:
        async with running.connect() as client:
            await client.send(RETRIEVE)
            await running.agents[0].asked.wait()
        await running.vacant()
        async with running.connect() as again, running.connect(local_addr=ELSEWHERE) as other:
            await again.send(RETRIEVE)
            await other.send(RETRIEVE)
            await running.agents[2].asked.wait()
            assert not any(isinstance(command, RetrieveItem) for command in running.agents[1].seen)


async def test_answers_that_nobody_could_listen_to_are_waited_for() -> None:
    pace = PaceLimits(answers_per_second=0.1)
    async with (
        serving(pace=pace) as running,
        running.connect() as client,
        running.connect(local_addr=ELSEWHERE) as other,
    ):
        for _ in range(2):
            await client.send('{"type":"response.create"}')
        await running.agents[0].asked.wait()
        await other.send('{"type":"response.create"}')
        await running.agents[1].asked.wait()
        assert sum(isinstance(command, Respond) for command in running.agents[0].seen) == 1


async def test_a_client_that_is_gone_is_noticed_whatever_it_has_sent_before() -> None:
    """Its events would take hours at its pace; nothing reads as far as to the end of them."""
    async with serving(pace=PaceLimits(events_per_second=0.1), session_minutes=60) as running:
        running.server.config.ws_ping_interval = running.server.config.ws_ping_timeout = 0.2
        client = await running.connect()
        event = json.dumps({"type": "conversation.item.retrieve", "item_id": "x", "event_id": "e" * 400})
        for _ in range(2_000):
            await client.send(event)
        await running.agents[0].asked.wait()
        client.transport.abort()
        async with asyncio.timeout(60):
            await running.agents[0].ended.wait()
