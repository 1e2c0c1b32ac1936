"""The command line's side of a session, with a server that does as it is told."""

import pytest
from websockets.asyncio.server import ServerConnection, serve

from realtime.client import ConnectionFailed, connect


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1000, "as long as the server lets one"),
        (1001, "the server was shut down: start it again"),
        (1011, "the server had an error"),
        (1013, "the server is full"),
        (1008, "the connection to the server was lost"),
    ],
)
async def test_why_a_session_ended_is_said_in_plain_words(code: int, said: str) -> None:
    async def end(websocket: ServerConnection) -> None:
        await websocket.close(code)

    async with serve(end, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"http://127.0.0.1:{port}") as connection:
            with pytest.raises(ConnectionFailed, match=said):
                await connection.receive()


@pytest.mark.parametrize("playback", [False, True])
async def test_only_who_follows_playback_asks_for_it(playback: bool) -> None:
    addresses: list[str] = []

    async def note(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        addresses.append(websocket.request.path)

    async with serve(note, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"http://127.0.0.1:{port}", playback=playback) as connection:
            with pytest.raises(ConnectionFailed):
                await connection.receive()
    assert ("playback=1" in addresses[0]) is playback


async def test_a_server_that_is_gone_is_said_to_be() -> None:
    async def vanish(websocket: ServerConnection) -> None:
        websocket.transport.abort()

    async with serve(vanish, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"http://127.0.0.1:{port}") as connection:
            with pytest.raises(ConnectionFailed, match="is it still running"):
                await connection.receive()
