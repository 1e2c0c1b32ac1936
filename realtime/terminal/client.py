"""The command line's side of a session: the `openai` package's realtime client, with errors that say what to do."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from openai import AsyncOpenAI, Omit
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types import WebSocketConnectionOptions
from openai.types.realtime import (
    AudioTranscription,
    InputAudioBufferAppendEvent,
    RealtimeAudioConfig,
    RealtimeAudioConfigInput,
    RealtimeClientEvent,
    RealtimeSessionCreateRequest,
    ResponseAudioDeltaEvent,
    SessionUpdateEvent,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from audio.errors import PlainError
from audio.pcm import Pcm
from realtime.protocol.audio_format import AudioFormat
from realtime.protocol.parsing import ServerEvent
from realtime.protocol.server_events import parse_server_event

_FORMAT = AudioFormat()

_MAX_MESSAGE_BYTES = 16 * 2**20

_ENDS = {
    1000: "the session has lasted as long as the server lets one: begin another",
    1001: "the server was shut down: start it again with antiphon serve",
    1011: "the server had an error and ended the session: its own output says which",
    1012: "the server is restarting: try again in a moment",
    1013: "the server is full: end another conversation or try later, or raise server.max_sessions",
}
"""Reasons for which a server ends a session, by WebSocket close code."""


_FIND_S = 5
"""Longest wait for a server that was found to report its state. Where nothing listens, the refusal is immediate."""


@dataclass(frozen=True, slots=True)
class Found:
    """A running server."""

    url: str
    decoder: str
    voice: str
    """The voice that speaks unless a client asks for another."""
    loaded_voices: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.url}, {self.decoder}, voice {self.voice}"


async def find_server(url: str) -> Found | None:
    """The server at a base URL, if it is Antiphon; else None."""
    try:
        async with httpx.AsyncClient(timeout=_FIND_S) as client:
            health = (await client.get(f"{url}/health")).json()
    except (httpx.HTTPError, ValueError):
        return None
    if not isinstance(health, dict) or "max_sessions" not in health:
        return None
    models = health.get("models", {})
    return Found(url, models.get("decoder", ""), models.get("voice", ""), tuple(health.get("loaded_voices", ())))


def address(host: str, port: int, scheme: str = "http") -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class NoAddress(PlainError):
    """A text that does not name a server."""


def server_url(given: str) -> str:
    """The base URL, as in http://localhost:8000, of a server that a user names in any of the usual ways.

    These are an address that a browser opens, that of the protocol (ws://HOST:PORT/v1/realtime), that of the API
    (http://HOST:PORT/v1), and HOST:PORT. Raises `NoAddress`.
    """
    text = given.strip()
    parts = urlsplit(text if "://" in text else f"http://{text}")
    scheme = {"http": "http", "ws": "http", "https": "https", "wss": "https"}.get(parts.scheme.lower())
    try:
        is_complete = scheme is not None and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # the port is not a number, or too large
        is_complete = False
    if not is_complete:
        raise NoAddress(f"{given!r} is not the address of a server; one looks like http://localhost:8000")
    path = parts.path.rstrip("/").removesuffix("/realtime").removesuffix("/v1")
    return f"{scheme}://{parts.netloc}{path}"


class ConnectionFailed(PlainError):
    """No session could be held. The message states why and what to do."""


class Connection:
    """One session with a server."""

    def __init__(self, realtime: AsyncRealtimeConnection) -> None:
        self._realtime = realtime

    async def send(self, event: RealtimeClientEvent) -> None:
        """Raises `ConnectionFailed` when the server is gone."""
        try:
            await self._realtime.send(event)
        except WebSocketException as error:
            raise _lost(error) from error

    async def send_audio(self, pcm: Pcm) -> None:
        """Append `pcm`, at 24 kHz, to the input. Raises `ConnectionFailed` when the server is gone."""
        audio = base64.b64encode(_FORMAT.encode(pcm)).decode()
        await self.send(InputAudioBufferAppendEvent(type="input_audio_buffer.append", audio=audio))

    async def receive(self) -> ServerEvent:
        """The server's next event. Raises `ConnectionFailed` when there will be none."""
        while True:
            try:
                event = parse_server_event(await self._realtime.recv_bytes())
            except WebSocketException as error:
                raise _lost(error) from error
            if event is not None:
                return event


@asynccontextmanager
async def connect(
    url: str, api_key: str = "", *, playback: bool = False, thoughts: bool = False, local_address: str | None = None
) -> AsyncIterator[Connection]:
    """Hold a session with the server at `url`, a base URL such as http://localhost:8000. Raises `ConnectionFailed`.

    With `playback` the server sends `antiphon.playback` events and relies on the client to follow them; with
    `thoughts` it sends what the model thinks. `local_address`: the one of this machine's to connect from.
    """
    options: WebSocketConnectionOptions = {"max_size": _MAX_MESSAGE_BYTES}
    if local_address is not None:
        options["local_addr"] = (local_address, 0)  # type: ignore[typeddict-unknown-key]  # websockets takes it
    wanted = {"timeline": True, "playback": playback, "thoughts": thoughts}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(AsyncOpenAI(api_key=api_key or "none", base_url=f"{url}/v1"))
        try:
            realtime = await stack.enter_async_context(
                client.realtime.connect(
                    model="antiphon",
                    extra_query={name: "1" for name, is_wanted in wanted.items() if is_wanted},
                    extra_headers={} if api_key else {"Authorization": Omit()},
                    websocket_connection_options=options,
                )
            )
        except InvalidStatus as error:
            reason = error.response.body.decode(errors="replace").strip() or error.response.reason_phrase
            raise ConnectionFailed(f"{url} refused the session ({error.response.status_code}): {reason}") from error
        except (OSError, WebSocketException, ValueError) as error:
            raise ConnectionFailed(f"no server answers at {url} ({error}): start one with antiphon serve") from error
        yield Connection(realtime)


def transcribed_session() -> SessionUpdateEvent:
    """The event that asks for transcripts of the input."""
    audio = RealtimeAudioConfig(input=RealtimeAudioConfigInput(transcription=AudioTranscription(model="antiphon")))
    session = RealtimeSessionCreateRequest(type="realtime", audio=audio)
    return SessionUpdateEvent(type="session.update", session=session)


def audio_of(event: ResponseAudioDeltaEvent) -> Pcm:
    """The event's samples, at 24 kHz."""
    return _FORMAT.decode(base64.b64decode(event.delta))


def _lost(error: WebSocketException) -> ConnectionFailed:
    if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code in _ENDS:
        return ConnectionFailed(_ENDS[error.rcvd.code])
    return ConnectionFailed(f"the connection to the server was lost ({error}): is it still running?")
