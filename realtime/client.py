"""The client's side of the protocol, for the command line: events out, events in, over a WebSocket."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from pipeline.errors import PlainError
from realtime.codec import AudioFormat
from tts.synthesizer import Pcm

WIRE_RATE = 24_000
"""Hz of the audio in both directions."""

_FORMAT = AudioFormat("audio/pcm", WIRE_RATE)

_MAX_MESSAGE_BYTES = 16 * 2**20

_ENDS = {
    1000: "the session has lasted as long as the server lets one: begin another",
    1001: "the server was shut down: start it again with antiphon serve",
    1011: "the server had an error and ended the session: its own output says which",
    1013: "the server is full: end another conversation or try later, or raise server.max_sessions",
}
"""Why a server ends a session, by its close code."""


@dataclass(frozen=True, slots=True)
class Found:
    """A server that runs."""

    url: str
    loaded_voices: tuple[str, ...]


async def find_server(host: str, port: int) -> Found | None:
    """What listens there, if it is Antiphon."""
    url = address(host, port)
    try:
        async with httpx.AsyncClient(timeout=1) as client:
            health = (await client.get(f"{url}/health")).json()
    except (httpx.HTTPError, ValueError):
        return None
    if not isinstance(health, dict) or "max_sessions" not in health:
        return None
    return Found(url, tuple(health.get("loaded_voices", ())))


def address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class ConnectionFailed(PlainError):
    """No session could be held; the message says why and what to do."""


class Connection:
    """One session. Events are the protocol's, as plain dictionaries."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket

    async def send(self, event: dict[str, Any]) -> None:
        """Raises `ConnectionFailed` when the server is gone."""
        try:
            await self._websocket.send(json.dumps(event))
        except WebSocketException as error:
            raise _lost(error) from error

    async def send_audio(self, pcm: Pcm) -> None:
        """`pcm` at 24 kHz."""
        audio = base64.b64encode(_FORMAT.encode(pcm)).decode()
        await self.send({"type": "input_audio_buffer.append", "audio": audio})

    async def receive(self) -> dict[str, Any]:
        """The server's next event. Raises `ConnectionFailed` when there will be none."""
        try:
            event: dict[str, Any] = json.loads(await self._websocket.recv())
        except WebSocketException as error:
            raise _lost(error) from error
        return event


@asynccontextmanager
async def connect(
    url: str, api_key: str = "", *, playback: bool = False, thoughts: bool = False
) -> AsyncIterator[Connection]:
    """Hold a session with the server at `url`, such as http://localhost:8000. Raises `ConnectionFailed`.

    With `playback` the server says when to play quieter and when to wait, and takes it that this is done; with
    `thoughts` it tells what the model thinks.
    """
    address = url.rstrip("/").replace("http", "ws", 1) + "/v1/realtime?model=antiphon&timeline=1"
    if playback:
        address += "&playback=1"
    if thoughts:
        address += "&thoughts=1"
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        websocket = await connect_websocket(
            address,
            subprotocols=["realtime"],  # type: ignore[list-item]
            additional_headers=headers,
            max_size=_MAX_MESSAGE_BYTES,
        )
    except InvalidStatus as error:
        reason = error.response.body.decode(errors="replace").strip() or error.response.reason_phrase
        raise ConnectionFailed(f"{url} refused the session ({error.response.status_code}): {reason}") from error
    except (OSError, WebSocketException, ValueError) as error:
        raise ConnectionFailed(f"no server answers at {url} ({error}): start one with antiphon serve") from error
    async with websocket:
        yield Connection(websocket)


def audio_of(event: dict[str, Any]) -> Pcm:
    """The samples of a `response.output_audio.delta`."""
    return _FORMAT.decode(base64.b64decode(event["delta"]))


def _lost(error: WebSocketException) -> ConnectionFailed:
    if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code in _ENDS:
        return ConnectionFailed(_ENDS[error.rcvd.code])
    return ConnectionFailed(f"the connection to the server was lost ({error}): is it still running?")
