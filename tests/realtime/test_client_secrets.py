"""Ephemeral keys over real sockets, made by the official client and used as pages and apps use them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.sessions.guard import Guard
from tests.support.realtime_server import Running, serving

KEY = "sk-the-server's-own"


@asynccontextmanager
async def keyed() -> AsyncIterator[tuple[Running, AsyncOpenAI]]:
    async with (
        serving(guard=Guard("127.0.0.1", Access(KeyRing(KEY)))) as running,
        AsyncOpenAI(api_key=KEY, base_url=f"http://{running.address}/v1") as client,
    ):
        yield running, client


def as_page(secret: str) -> dict[str, Any]:
    return {"subprotocols": [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{secret}")]}


async def test_the_official_client_makes_a_key_and_its_settings_are_in_force_from_the_beginning() -> None:
    async with keyed() as (running, client):
        made = await client.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 60},
            session={"type": "realtime", "model": "gpt-realtime", "instructions": "Rhyme."},
        )
        assert made.value.startswith("ek_")
        assert made.session.type == "realtime"
        assert (made.session.model, made.session.instructions) == ("gpt-realtime", "Rhyme.")
        assert made.session.object == "realtime.session"
        async with AsyncOpenAI(api_key=made.value, base_url=client.base_url).realtime.connect(model="other") as wire:
            session: Any = (await wire.recv()).session  # type: ignore[union-attr]
            assert (session.model, session.instructions) == ("gpt-realtime", "Rhyme.")
        assert running.agents[0].first_settings.instructions == "Rhyme."


async def test_a_page_connects_with_it_and_as_often_as_it_must() -> None:
    async with keyed() as (running, client):
        secret = (await client.realtime.client_secrets.create()).value
        for _ in range(2):
            async with running.connect(**as_page(secret)) as socket:
                assert json.loads(await socket.recv())["type"] == "session.created"


async def test_what_is_not_supported_is_reported_when_the_session_begins() -> None:
    async with keyed() as (running, client):
        made = await client.realtime.client_secrets.create(
            session={"type": "realtime", "instructions": "Rhyme.", "prompt": {"id": "pmpt_1"}}
        )
        async with running.connect(**as_page(made.value)) as socket:
            assert json.loads(await socket.recv())["session"]["instructions"] == "Rhyme."
            assert json.loads(await socket.recv())["error"]["param"] == "session.prompt"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/realtime/client_secrets", 403),
        ("GET", "/v1/models", 403),
        ("POST", "/v1/audio/transcriptions", 403),
        ("POST", "/v1/realtime/calls", 415),
        ("POST", "/v1/realtime/calls/rtc_1/hangup", 404),
    ],
)
async def test_it_opens_sessions_and_nothing_else(method: str, path: str, status: int) -> None:
    async with keyed() as (running, client), httpx.AsyncClient(trust_env=False) as http:
        secret = (await client.realtime.client_secrets.create()).value
        headers = {"Authorization": f"Bearer {secret}"}
        answer = await http.request(method, f"http://{running.address}{path}", headers=headers)
        assert answer.status_code == status


async def test_a_value_that_is_no_key_opens_nothing() -> None:
    async with keyed() as (running, _):
        with pytest.raises(InvalidStatus) as refused:
            await running.connect(**as_page("ek_made_up"))
        assert refused.value.response.status_code == 401


async def test_only_a_holder_of_the_key_makes_one() -> None:
    async with keyed() as (running, _), httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"http://{running.address}/v1/realtime/client_secrets")
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "code", "says"),
    [
        ('{"expires_after": {"anchor": "created_at", "seconds": 9}}', 400, "invalid_value", "expires_after.seconds"),
        ('{"expires_after": {"anchor": "created_at", "seconds": 7201}}', 400, "invalid_value", "expires_after.seconds"),
        ('{"expires_after": {"anchor": "now"}}', 400, "invalid_value", "expires_after.anchor"),
        ('{"expires_at": 5}', 400, "invalid_value", "expires_at"),
        ("{", 400, "invalid_value", "JSON"),
        ("[]", 400, "invalid_value", ""),
        ("[" * 5_000, 400, "invalid_value", ""),
        ('{"session": {"type": "transcription"}}', 400, "unsupported_session_type", "Transcription"),
        ('{"session": {"audio": {"output": {"speed": 9}}}}', 400, "invalid_value", "speed"),
        ('{"session": {"instructions": 1}}', 400, "invalid_type", "instructions"),
        ('{"session": {"instructions": "' + "a" * 70_000 + '"}}', 413, "request_too_large", "65536"),
    ],
)
async def test_a_wrong_request_is_answered_with_its_reason(body: str, status: int, code: str, says: str) -> None:
    async with keyed() as (running, client), httpx.AsyncClient(trust_env=False) as http:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        answer = await http.post(f"{client.base_url}realtime/client_secrets", headers=headers, content=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code)
        assert says in error["message"]
        assert running.agents == []


async def test_a_server_without_keys_makes_them_too() -> None:
    async with (
        serving() as running,
        AsyncOpenAI(api_key="any", base_url=f"http://{running.address}/v1") as client,
    ):
        made = await client.realtime.client_secrets.create(session={"type": "realtime", "instructions": "Rhyme."})
        async with running.connect(**as_page(made.value)) as socket:
            assert json.loads(await socket.recv())["session"]["instructions"] == "Rhyme."
        async with running.connect(**as_page("ek_any")) as socket:
            assert json.loads(await socket.recv())["type"] == "session.created"
