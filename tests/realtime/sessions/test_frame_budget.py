"""The budget of small frames, and the floods that it ends."""

import asyncio
import os
import struct

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from pipeline import events as on
from realtime.sessions.frame_budget import BURST, PER_SECOND, FrameBudget
from tests.support.realtime_server import ScriptedAgent, serving


def test_a_budget_takes_a_burst_and_then_its_rate() -> None:
    budget = FrameBudget(0)
    assert budget.take(BURST, 0)
    assert not budget.take(1, 0)
    assert budget.take(PER_SECOND - 1, 1)


def test_a_budget_never_holds_more_than_a_burst() -> None:
    assert not FrameBudget(0).take(BURST + 1, 3600)


def frame(opcode: Opcode, payload: bytes = b"", fin: bool = False) -> bytes:
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return struct.pack("!BB", fin << 7 | opcode, 0x80 | len(payload)) + mask + masked


@pytest.mark.parametrize(
    "flood",
    [
        frame(Opcode.TEXT, b"{") + frame(Opcode.CONT) * (10 * BURST),
        frame(Opcode.TEXT, b"{") + frame(Opcode.CONT, b"  ") * (10 * BURST),
        frame(Opcode.PING, fin=True) * (10 * BURST),
        frame(Opcode.TEXT, b"{}", fin=True) * (10 * BURST),
    ],
    ids=["empty continuations", "fragments of two bytes", "pings", "empty events"],
)
async def test_a_flood_ends_its_connection_and_no_other(flood: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        async with connect(f"ws://{running.address}/v1/realtime") as hostile:
            await hostile.recv()
            hostile.transport.write(flood)
            assert await closing(hostile) == 1008
        await running.agents[0].ended.wait()
        async with connect(f"ws://{running.address}/v1/realtime") as honest:
            assert "session.created" in str(await honest.recv())
    assert not [record for record in caplog.records if record.exc_info], "the client's mistake is no failure of ours"


class Babbling(ScriptedAgent):
    """Has something to say all the time."""

    async def run(self) -> None:
        try:
            while True:
                self.outlet.emit(on.Cleared())
                await asyncio.sleep(0)
        finally:
            self.ended.set()


@pytest.mark.parametrize(
    "mistake",
    [frame(Opcode.PING, fin=True) * (10 * BURST), frame(Opcode.TEXT, b"\xff", fin=True)],
    ids=["pings", "no text"],
)
async def test_what_the_agent_says_meanwhile_fails_nothing(mistake: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Babbling) as running, connect(f"ws://{running.address}/v1/realtime") as hostile:
        await hostile.recv()
        hostile.transport.write(mistake)
        await running.agents[0].ended.wait()
    assert not [record for record in caplog.records if record.name.startswith("realtime") and record.exc_info]


async def closing(client: ClientConnection) -> int | None:
    """The code with which the server closes; None if it just ends the connection."""
    try:
        while True:
            await client.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


async def test_a_client_with_small_pieces_of_audio_is_no_flood() -> None:
    async with serving() as running, connect(f"ws://{running.address}/v1/realtime") as client:
        await client.recv()
        for _ in range(BURST // 2):
            await client.send('{"type":"input_audio_buffer.append","audio":"AAA="}')
        await client.send('{"type":"session.update","session":{"type":"realtime"}}')
        assert "session.updated" in str(await client.recv())
