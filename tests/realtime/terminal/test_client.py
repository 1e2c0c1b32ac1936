"""The command line's side of a session, with a scripted server."""

import pytest
from websockets.asyncio.server import ServerConnection, serve

from realtime.terminal.client import ConnectionFailed, NoAddress, connect, server_url


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1000, "as long as the server lets one"),
        (1001, "the server was shut down: start it again"),
        (1011, "the server had an error"),
        (1012, "the server is restarting"),
        (1013, "the server is full"),
        (1008, "the connection to the server was lost"),
    ],
)
async def test_the_end_of_a_session_is_explained_in_plain_words(code: int, said: str) -> None:
    async def end(websocket: ServerConnection) -> None:
        await websocket.close(code)

    async with serve(end, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"http://127.0.0.1:{port}") as connection:
            with pytest.raises(ConnectionFailed, match=said):
                await connection.receive()


@pytest.mark.parametrize("playback", [False, True])
async def test_playback_events_are_requested_only_by_a_client_that_follows_them(playback: bool) -> None:
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


async def test_a_server_that_is_gone_is_reported() -> None:
    async def vanish(websocket: ServerConnection) -> None:
        websocket.transport.abort()

    async with serve(vanish, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"http://127.0.0.1:{port}") as connection:
            with pytest.raises(ConnectionFailed, match="is it still running"):
                await connection.receive()


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://localhost:8000/v1", "http://localhost:8000"),
        ("https://voice.example/v1/", "https://voice.example"),
        ("ws://localhost:8000/v1/realtime", "http://localhost:8000"),
        ("wss://voice.example/agent/v1/realtime?model=antiphon", "https://voice.example/agent"),
        ("localhost:8000", "http://localhost:8000"),
        ("localhost:8000/v1", "http://localhost:8000"),
        ("192.0.2.1", "http://192.0.2.1"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_server_may_be_named_in_any_of_the_usual_ways(given: str, url: str) -> None:
    assert server_url(given) == url


@pytest.mark.parametrize("given", ["", "http://", "ftp://localhost", "localhost:port", "localhost:99999", ":8000"])
def test_what_names_no_server_is_refused(given: str) -> None:
    with pytest.raises(NoAddress, match="looks like http://localhost:8000"):
        server_url(given)
