"""Real servers and real clients over loopback; only the agent is a stand-in."""

import asyncio
import json
import socket
import time
from typing import Any

import httpx
import numpy as np
import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from pipeline import events as on
from pipeline.commands import (
    Audio,
    Command,
    Respond,
    Silence,
)
from pipeline.runtime.timeline import Timeline
from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.sessions.guard import Guard
from tests.support.realtime_server import SETTINGS, FailingAgent, ScriptedAgent, serving


class EndlessAgent(ScriptedAgent):
    """Speaks for ever, as fast as the transport takes it."""

    spoken_s = 0

    async def answer(self, command: Respond) -> None:
        self.outlet.emit(on.ResponseStarted("resp_1", "audio", "joe", None, True, {}))
        while True:
            self.outlet.emit(on.OutputAudio("resp_1", 0, "item_1", np.zeros(24_000, np.float32), Timeline()))
            self.spoken_s += 1
            await self.outlet.ready()
            await asyncio.sleep(0)


class BusyAgent(ScriptedAgent):
    """Takes no command, as if it were digesting all that came before."""

    async def act(self, command: Command) -> None:
        await asyncio.Event().wait()


async def receive(client: ClientConnection) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(await client.recv())
    return event


async def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    while (event := await receive(client))["type"] != kind:
        pass
    return event


async def close_code(client: ClientConnection) -> int | None:
    """Reads on until the server closes."""
    try:
        while True:
            await client.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


async def test_small_events_do_not_wait_for_each_other() -> None:
    """Nagle's algorithm would hold the second of two small events back for 40 ms."""
    async with serving() as running, running.connect() as client:
        await receive(client)
        [protocol] = running.server.server_state.connections
        accepted = protocol.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_the_official_client_holds_a_conversation() -> None:
    async with serving() as running:
        client = AsyncOpenAI(api_key="any", base_url=f"http://{running.address}/v1")
        async with client, client.realtime.connect(model="my-voice", extra_query={"timeline": "1"}) as wire:
            assert (await wire.recv()).session.model == "my-voice"  # type: ignore[union-attr]
            await wire.session.update(session={"type": "realtime", "instructions": "Be brief."})
            assert (await wire.recv()).session.instructions == "Be brief."  # type: ignore[union-attr]
            await wire.conversation.item.create(
                item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}
            )
            await wire.response.create(response={"metadata": {"a": "b"}})
            kinds = []
            async for event in wire:
                kinds.append(event.type)
                if event.type == "response.output_audio.delta":
                    assert event.delta == "AAAAAA=="
                if event.type == "response.done":
                    break
            metadata = event.response.metadata  # type: ignore[union-attr]
            assert metadata is not None
            assert metadata["a"] == "b"
            assert list(json.loads(metadata["timeline"])) == ["turn_decided", "first_packet"]
        assert kinds == [
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_audio.delta",
            "response.output_audio_transcript.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
        ]
        await running.agents[0].ended.wait()


async def test_the_subprotocol_is_echoed_and_sessions_begin() -> None:
    async with serving() as running, running.connect(subprotocols=[Subprotocol("realtime")]) as client:
        assert client.subprotocol == "realtime"
        assert (await receive(client))["type"] == "session.created"
        assert running.agents[0].first_settings == SETTINGS


@pytest.mark.parametrize("offered", [["realtime", "openai-insecure-api-key.secret"], []])
async def test_the_key_opens_by_header_and_by_subprotocol(offered: list[str]) -> None:
    headers = {} if offered else {"Authorization": "Bearer secret"}
    protocols = [Subprotocol(name) for name in offered] or None
    async with (
        serving(guard=Guard("127.0.0.1", Access(KeyRing("secret")))) as running,
        running.connect(subprotocols=protocols, additional_headers=headers) as client,
    ):
        assert (await receive(client))["type"] == "session.created"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "invalid_api_key"),
        ({"Authorization": "Bearer wrong"}, 401, "invalid_api_key"),
        ({"Authorization": "Bearer secret", "Origin": "http://evil.example"}, 403, "origin_not_allowed"),
    ],
)
async def test_a_refused_client_gets_the_reason_before_the_upgrade(
    headers: dict[str, str], status: int, code: str
) -> None:
    async with serving(guard=Guard("127.0.0.1", Access(KeyRing("secret")))) as running:
        with pytest.raises(InvalidStatus) as refused:
            await running.connect(additional_headers=headers)
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == code
        assert running.agents == []


async def test_a_page_whose_name_was_rebound_to_this_machine_is_refused() -> None:
    async with serving() as running:
        host, _, port = running.address.partition(":")
        page = f"evil.example:{port}"
        with pytest.raises(InvalidStatus) as refused:
            await connect(
                f"ws://{page}/v1/realtime", origin=Origin(f"http://{page}"), host=host, port=int(port), proxy=None
            )
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == "host_not_allowed"


async def test_health_is_open_and_the_guard_stands_before_every_route() -> None:
    async with (
        serving(guard=Guard("127.0.0.1", Access(KeyRing("secret")))) as running,
        httpx.AsyncClient(base_url=f"http://{running.address}", trust_env=False) as client,
    ):
        health = await client.get("/health")
        assert health.json() == {
            "status": "ok",
            "sessions": 0,
            "max_sessions": 2,
            "models": {"decoder": "scripted"},
            "voices": ["joe"],
            "loaded_voices": [],
            "voice_details": {},
            "absent_voices": {},
            "sends_to": [],
            "ice_servers": [],
        }
        assert (await client.get("/health", headers={"Host": "evil.example"})).status_code == 403
        assert (await client.post("/v1/realtime/calls", headers={"Origin": "http://evil.example"})).status_code == 403
        assert (await client.post("/v1/realtime/calls")).status_code == 401


async def test_a_client_of_the_beta_is_told_so_once() -> None:
    async with serving() as running:
        for offered in (
            {"additional_headers": {"OpenAI-Beta": "realtime=v1"}},
            {"subprotocols": [Subprotocol("realtime"), Subprotocol("openai-beta.realtime-v1")]},
        ):
            async with running.connect(**offered) as client:
                error = (await receive(client))["error"]
                assert error["code"] == "beta_api_shape_disabled"
                assert "beta" in error["message"]
                assert await close_code(client) == 1008
        assert running.agents == []


async def test_a_path_that_does_not_exist_is_404_for_every_kind_of_request() -> None:
    async with (
        serving() as running,
        httpx.AsyncClient(base_url=f"http://{running.address}", trust_env=False) as client,
    ):
        for answer in (await client.get("/v1/nothing"), await client.post("/v1/nothing"), await client.put("/else")):
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "unknown_url"
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{running.address}/v1/nothing", proxy=None)
        assert refused.value.response.status_code == 404
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == "unknown_url"
        assert (await client.get("/v1/realtime/calls")).status_code == 405


async def test_bad_frames_are_answered_and_the_session_continues() -> None:
    async with serving() as running, running.connect() as client:
        frames: list[tuple[str | bytes, str]] = [
            (b"{}", "invalid_frame"),
            ("{", "invalid_json"),
            (" " * 10_001, "event_too_large"),
            ('{"type":"nothing"}', "invalid_value"),
        ]
        for frame, code in frames:
            await client.send(frame)
            assert (await until(client, "error"))["error"]["code"] == code
        await client.send('{"type":"response.create"}')
        assert (await until(client, "response.done"))["response"]["status"] == "completed"


async def test_a_frame_beyond_the_hard_limit_ends_the_session() -> None:
    async with serving() as running, running.connect() as client:
        await client.send(" " * 20_001)
        assert await close_code(client) == 1009
        await running.agents[0].ended.wait()


async def test_a_full_server_says_so() -> None:
    async with serving(max_sessions=1) as running, running.connect() as first:
        await receive(first)
        async with running.connect() as second:
            error = await receive(second)
            assert (error["type"], error["error"]["code"]) == ("error", "session_limit_reached")
            assert await close_code(second) == 1013
        await first.send('{"type":"response.create"}')
        await until(first, "response.done")
        await first.close()
        await running.agents[0].ended.wait()
        assert len(running.agents) == 1


@pytest.mark.parametrize("query", ["?intent=transcription", "?call_id=rtc_1"])
async def test_other_kinds_of_session_are_refused(query: str) -> None:
    async with serving() as running, running.connect(query) as client:
        assert (await receive(client))["error"]["code"] == "unsupported_session_type"
        assert await close_code(client) == 1008


async def test_a_session_ends_when_its_time_is_up() -> None:
    async with serving(session_minutes=0.001) as running, running.connect() as client:
        assert (await until(client, "error"))["error"]["code"] == "session_expired"
        assert await close_code(client) == 1000
        await running.agents[0].ended.wait()


async def test_a_shutdown_says_that_the_server_goes_away() -> None:
    async with serving() as running, running.connect() as client:
        await receive(client)
        running.server.should_exit = True
        assert await close_code(client) == 1001
        await running.agents[0].ended.wait()


async def test_an_agent_that_fails_ends_its_own_session_only() -> None:
    async with serving(FailingAgent) as running, running.connect() as client, running.connect() as other:
        await receive(other)
        await client.send('{"type":"response.create"}')
        error = (await until(client, "error"))["error"]
        assert (error["type"], error["code"]) == ("server_error", "internal_error")
        assert "on purpose" not in error["message"]
        assert await close_code(client) == 1011
        await other.send('{"type":"session.update","session":{"type":"realtime"}}')
        await until(other, "session.updated")


async def test_a_client_that_vanishes_in_mid_answer_leaves_nothing_behind() -> None:
    async with serving(EndlessAgent) as running:
        client = await running.connect()
        await client.send('{"type":"response.create"}')
        await until(client, "response.output_audio.delta")
        client.transport.abort()
        await running.agents[0].ended.wait()
        await running.app.state.sessions.close()
        assert len(running.app.state.sessions) == 0


@pytest.mark.parametrize("vanish", [False, True])
async def test_a_client_that_hangs_up_is_not_served_to_the_end_of_its_audio(vanish: bool) -> None:
    async with serving(BusyAgent, max_event_bytes=2**20) as running:
        client = await running.connect()
        await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 960_000}))
        for _ in range(50):
            await client.send('{"type":"input_audio_buffer.commit"}')
        if vanish:
            client.transport.close()
        else:
            await client.close()
        await running.agents[0].ended.wait()
        assert len(running.agents[0].seen) <= 1


async def test_a_client_that_stops_reading_is_left_and_memory_stays_bounded() -> None:
    async with serving(EndlessAgent, send_timeout_s=0.2) as running:
        client = await running.connect(max_queue=1)
        await client.send('{"type":"response.create"}')
        await running.agents[0].ended.wait()
        await running.app.state.sessions.close()
        assert running.agents[0].spoken_s < 500  # type: ignore[attr-defined]  # what the kernel buffers, and no more
        client.transport.abort()
        await client.wait_closed()


async def test_the_clock_advances_for_a_silent_client() -> None:
    async with serving() as running, running.connect() as client:
        await receive(client)
        await running.agents[0].silence.wait()
        [first, *more] = running.agents[0].seen
        assert more == []
        assert isinstance(first, Silence)
        assert first.samples >= 4_800


async def test_audio_that_arrives_during_a_standstill_is_not_replaced_by_silence() -> None:
    async with serving() as running, running.connect() as client:
        for _ in range(3):
            await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 6_400}))
            await asyncio.sleep(0.05)
        await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 6_400}))
        time.sleep(0.5)  # noqa: ASYNC251 - all of the process sleeps
        await client.send('{"type":"response.create"}')
        await until(client, "response.done")
        kinds = [type(command) for command in running.agents[0].seen]
        assert kinds == [Audio] * 4 + [Respond]


async def test_the_clock_advances_although_the_process_keeps_standing_still() -> None:
    async with serving() as running, running.connect() as client, asyncio.timeout(60):
        await receive(client)
        while not running.agents[0].silence.is_set():
            time.sleep(0.25)  # noqa: ASYNC251 - all of the process sleeps
            await asyncio.sleep(0.01)


async def test_audio_faster_than_real_time_waits_for_the_agent_and_none_is_lost() -> None:
    async with serving() as running, running.connect() as client:
        for _ in range(300):
            await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 6_400}))
        await client.send('{"type":"response.create"}')
        await until(client, "response.done")
        samples = sum(len(command.pcm) for command in running.agents[0].seen if isinstance(command, Audio))
        assert samples == 300 * 1_600 - 160  # 100 ms each, less the 10 ms that the resampler holds back
