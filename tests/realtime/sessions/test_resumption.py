"""Clients that lose their connection and come back, over real sockets; only the agent is a stand-in."""

import json
from typing import Any

from websockets.asyncio.client import ClientConnection

from bench.callers.phone import ring
from pipeline.commands import SessionSettings
from pipeline.conversation.items import FunctionCall, FunctionOutput, Message
from pipeline.conversation.spoken_words import SpokenWord
from pipeline.decoders.decoder import Tool
from realtime.protocol.session import Session
from realtime.protocol.session_state import from_json, to_json
from realtime.sessions.state_store import MemoryStore, StoreError
from tests.support.protocol_session import OFFER, update
from tests.support.realtime_server import Running, serving

HELLO = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}


async def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    while (event := json.loads(await client.recv()))["type"] != kind:
        pass
    return dict(event)


async def send_event(client: ClientConnection, kind: str, **fields: object) -> None:
    await client.send(json.dumps({"type": kind} | fields))


async def greeted(client: ClientConnection) -> tuple[dict[str, Any], dict[str, Any]]:
    return await until(client, "session.created"), await until(client, "antiphon.resumption")


async def converse(running: Running, token: str = "1") -> tuple[str, str]:
    """A session with an instruction, a message and an answer, which loses its connection: its id and its token."""
    async with running.connect(f"?resume={token}") as client:
        created, resumption = await greeted(client)
        await send_event(client, "session.update", session={"type": "realtime", "instructions": "Be brief."})
        await send_event(client, "conversation.item.create", item=HELLO)
        await send_event(client, "response.create")
        await until(client, "response.done")
        client.transport.abort()
    await running.vacant()
    return created["session"]["id"], resumption["token"]


def words(event: dict[str, Any]) -> list[str]:
    return [part.get("text") or part.get("transcript") for item in event["items"] for part in item["content"]]


async def test_a_client_that_comes_back_continues_its_session() -> None:
    async with serving() as running:
        session_id, token = await converse(running)
        async with running.connect(f"?resume={token}") as client:
            created, resumption = await greeted(client)
            assert created["session"]["id"] == session_id
            assert created["session"]["instructions"] == "Be brief."
            assert resumption["resumed"] is True
            assert resumption["token"] == token
            assert words(resumption) == ["Hello.", "Hi."]
        assert running.agents[1].first_settings.instructions == "Be brief."


async def test_a_client_that_does_not_ask_gets_what_it_always_got() -> None:
    async with serving() as running, running.connect() as client:
        assert json.loads(await client.recv())["type"] == "session.created"
        await send_event(client, "conversation.item.create", item=HELLO)
        assert json.loads(await client.recv())["type"] == "conversation.item.added"


async def test_an_unknown_token_begins_a_session_with_a_token_of_its_own() -> None:
    async with serving() as running, running.connect("?resume=of-my-own-choice") as client:
        _, resumption = await greeted(client)
        assert resumption["resumed"] is False
        assert resumption["items"] == []
        assert resumption["token"] != "of-my-own-choice"


async def test_a_session_is_forgotten_after_its_time() -> None:
    now = 0.0
    store = MemoryStore(lambda: now)
    async with serving(store=store, resume_s=60.0) as running:
        session_id, token = await converse(running)
        now = 59
        async with running.connect(f"?resume={token}") as client:
            created, _ = await greeted(client)
            assert created["session"]["id"] == session_id
        await running.vacant()
        now = 120
        async with running.connect(f"?resume={token}") as client:
            created, resumption = await greeted(client)
            assert created["session"]["id"] != session_id
            assert not resumption["resumed"]


async def test_the_new_connection_ends_the_old_one_even_on_a_full_server() -> None:
    async with serving(max_sessions=1) as running, running.connect("?resume=1") as old:
        _, first = await greeted(old)
        await send_event(old, "conversation.item.create", item=HELLO)
        await until(old, "conversation.item.done")
        async with running.connect(f"?resume={first['token']}") as new:
            _, resumption = await greeted(new)
            assert words(resumption) == ["Hello."]
            assert (await until(old, "error"))["error"]["code"] == "session_resumed_elsewhere"
            await old.wait_closed()
            assert old.close_code == 4001
            async with running.connect() as other:
                assert (await until(other, "error"))["error"]["code"] == "session_limit_reached"


async def test_a_session_that_another_replica_resumed_ends_and_writes_no_more() -> None:
    store = MemoryStore()
    async with serving(store=store) as one, serving(store=store) as other, one.connect("?resume=1") as old:
        _, first = await greeted(old)
        await send_event(old, "conversation.item.create", item=HELLO)
        await until(old, "conversation.item.done")
        async with other.connect(f"?resume={first['token']}") as new:
            _, resumption = await greeted(new)
            assert resumption["resumed"] is True
            await send_event(old, "conversation.item.create", item=HELLO)
            assert (await until(old, "error"))["error"]["code"] == "session_resumed_elsewhere"
            await send_event(new, "conversation.item.create", item=HELLO)
            await until(new, "conversation.item.done")
            new.transport.abort()
        await other.vacant()
        async with one.connect(f"?resume={first['token']}") as third:
            _, resumption = await greeted(third)
            assert words(resumption) == ["Hello.", "Hello."]


class BrokenStore(MemoryStore):
    async def save(self, key: str, owner: str, state: bytes, lasts_s: float) -> bool:
        raise StoreError("it is gone")

    async def claim(self, key: str, owner: str) -> bytes | None:
        raise StoreError("it is gone")


async def test_a_conversation_outlives_its_store() -> None:
    async with serving(store=BrokenStore()) as running:
        _, token = await converse(running)
        async with running.connect(f"?resume={token}") as client:
            _, resumption = await greeted(client)
            assert resumption["resumed"] is False


async def test_a_call_over_webrtc_can_be_resumed_over_a_websocket() -> None:
    async with serving() as running:
        async with ring(f"http://{running.address}", query="?resume=1") as phone:
            created = await phone.receive()
            resumption = await phone.receive()
            assert (created["type"], resumption["type"]) == ("session.created", "antiphon.resumption")
        await running.vacant()
        async with running.connect(f"?resume={resumption['token']}") as client:
            again, _ = await greeted(client)
            assert again["session"]["id"] == created["session"]["id"]


def test_the_state_of_a_session_is_the_same_after_its_journey() -> None:
    tool = Tool("weather", "Says it.", {"type": "object"})
    session = Session(OFFER, "my-voice", max_event_bytes=10_000)
    tools = [{"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}]
    update(
        session,
        tools=tools,
        tool_choice={"type": "function", "name": "weather"},
        audio={
            "input": {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad", "threshold": 0.7}},
            "output": {"format": {"type": "audio/pcma"}},
        },
    )
    said = Message(
        "b", "assistant", "Two", True, "incomplete", [SpokenWord("Two", 0, 90), SpokenWord("three", 90, 180)], 8000
    )
    older = Message("a", "assistant", "One", True, "completed", [SpokenWord("One", 0, 90)], 8000)
    items = (
        Message("s", "system", "Be kind."),
        older,
        Message("u", "user", "And?", spoken=True, manner="(softly)"),
        FunctionCall("c", "call_1", "weather", "{}"),
        FunctionOutput("o", "call_1", "Rain."),
        said,
    )
    state = from_json(to_json(session.state(items)))
    assert state.items[1] == Message("a", "assistant", "One", spoken=True)
    assert (state.items[0], *state.items[2:]) == (items[0], *items[2:])
    again = Session(OFFER, "other", max_event_bytes=10_000, state=state)
    assert again.id == session.id
    assert again.settings == session.settings
    assert isinstance(again.settings, SessionSettings)
    assert again.state(state.items) == session.state(state.items)
    assert [event.type for event in update(again, audio={"output": {"voice": "ann"}}).events] == ["error"]
