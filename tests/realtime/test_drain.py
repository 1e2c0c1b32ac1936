"""A server that is asked to stop, over real sockets and in a process of its own; only the agent is a stand-in."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pipeline import events as on
from pipeline.commands import Respond
from pipeline.runtime.timeline import Timeline
from tests.support.realtime_server import Running, ScriptedAgent, serving
from tests.support.web_folder import web_folder

ROOT = Path(__file__).parents[2]


class SlowAgent(ScriptedAgent):
    """Begins an answer and ends it when the test says so."""

    finish: asyncio.Event

    async def answer(self, command: Respond) -> None:
        self.finish = asyncio.Event()
        self.outlet.emit(on.ResponseStarted("resp_1", "audio", "joe", None, True, {}))
        await self.finish.wait()
        self.outlet.emit(on.ResponseDone("resp_1", "completed", None, None, (), on.Usage(), Timeline()))


async def event(client: ClientConnection) -> dict[str, Any]:
    received: dict[str, Any] = json.loads(await client.recv())
    return received


async def end_of(client: ClientConnection) -> tuple[list[str], int | None]:
    """The codes of the errors until the connection closes, and the close code."""
    errors = []
    try:
        while True:
            received = await event(client)
            if received["type"] == "error":
                errors.append(received["error"]["code"])
    except ConnectionClosed as closed:
        return errors, closed.rcvd.code if closed.rcvd else None


async def ready(running: Running) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{running.address}/ready")
        return answer.status_code, answer.json()


async def begin_an_answer(client: ClientConnection) -> None:
    await event(client)
    await client.send('{"type":"response.create"}')
    assert (await event(client))["type"] == "response.created"


async def test_a_turn_ends_first_an_idle_session_at_once_and_no_new_one_begins() -> None:
    async with serving(SlowAgent, drain_s=60) as running, running.connect() as idle, running.connect() as talking:
        await event(idle)
        await begin_an_answer(talking)
        running.server.handle_exit(signal.SIGTERM, None)
        assert await end_of(idle) == (["server_restarting"], 1012)
        status, state = await ready(running)
        assert status == 503
        assert state["reasons"] == ["the server is shutting down"]
        async with running.connect() as late:
            assert await end_of(late) == (["server_restarting"], 1013)
        agent = next(agent for agent in running.agents if agent.seen)
        assert isinstance(agent, SlowAgent)
        agent.finish.set()
        assert (await event(talking))["type"] == "response.done"
        assert await end_of(talking) == (["server_restarting"], 1012)


async def test_a_turn_that_lasts_too_long_is_ended() -> None:
    async with serving(SlowAgent, drain_s=0.05) as running, running.connect() as client:
        await begin_an_answer(client)
        running.server.handle_exit(signal.SIGTERM, None)
        assert await end_of(client) == (["server_restarting"], 1012)


async def test_a_server_is_ready_until_it_is_full() -> None:
    async with serving(max_sessions=1) as running:
        assert await ready(running) == (
            200,
            {
                "ready": True,
                "reasons": [],
                "decoder": {"model": "scripted", "reachable": True},
                "voice": {"model": "", "reachable": True, "loaded": []},
                "recognizer": {"model": "", "reachable": True},
                "load": {"sessions": 0, "max_sessions": 1},
            },
        )
        async with running.connect() as client:
            await event(client)
            status, state = await ready(running)
            assert (status, state["reasons"]) == (503, ["every session is taken"])


async def test_a_server_whose_decoder_is_gone_is_alive_but_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.readiness._KNOWN_S", 0)
    with web_folder(tmp_path) as url:
        upstreams = {"decoder": f"{url}/v1"}
        async with serving(upstreams=upstreams) as running:
            assert (await ready(running))[0] == 200
            upstreams["decoder"] = "http://127.0.0.1:9/v1"
            status, state = await ready(running)
            assert (status, state["reasons"]) == (503, ["the decoder cannot be reached"])
            assert state["decoder"]["reachable"] is False
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.get(f"http://{running.address}/health")).status_code == 200


PROGRAM = """
import asyncio
from tests.realtime.test_drain import SlowAgent
from tests.support.realtime_server import serving

async def main():
    async with serving(SlowAgent, drain_s=600) as running:
        print(running.address, flush=True)
        await running.serves

asyncio.run(main())
"""


@pytest.mark.parametrize(("talking", "signals", "code"), [(False, 1, 0), (True, 2, -signal.SIGTERM)])
async def test_a_process_ends_when_its_sessions_have_and_at_once_at_a_second_signal(
    talking: bool, signals: int, code: int
) -> None:
    command = (sys.executable, "-c", PROGRAM)
    environment = {"PYTHONPATH": str(ROOT)}
    server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT, env=environment)
    assert server.stdout is not None
    try:
        address = (await server.stdout.readline()).decode().strip()
        async with connect(f"ws://{address}/v1/realtime", proxy=None) as client:
            if talking:
                await begin_an_answer(client)
            else:
                await event(client)
            server.send_signal(signal.SIGTERM)
            if signals == 2:
                async with connect(f"ws://{address}/v1/realtime", proxy=None) as late:
                    assert await end_of(late) == (["server_restarting"], 1013)
                server.send_signal(signal.SIGTERM)
            await end_of(client)
            assert await server.wait() == code
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()
