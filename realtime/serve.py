"""The agent behind its wire: engine, application and server put together."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext

from aiortc import RTCIceServer

from pipeline.agent import Agent
from pipeline.commands import SemanticVad, ServerVad, SessionSettings
from pipeline.engine import Engine
from pipeline.errors import PlainError
from pipeline.models import ModelStore
from realtime.app import Server, create_app
from realtime.auth import Guard
from realtime.client import WIRE_RATE
from realtime.describe import Offer
from realtime.sessions import Limits, Service
from realtime.settings import Settings


class CannotListen(PlainError):
    """The server's address can't be had; the message says why and what to do."""


@asynccontextmanager
async def loaded(settings: Settings, report: Callable[[str], None] = lambda stage: None) -> AsyncIterator[Engine]:
    """The engine that `settings` describe. Raises what `Engine.load` raises."""
    store = ModelStore(settings.models.cache, settings.models.offline)
    engine = await Engine.load(settings, store, report)
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def running(engine: Engine, settings: Settings) -> AsyncIterator[str]:
    """Serve in this process for as long as the context lasts, on any free loopback port; gives the URL."""
    with listen("127.0.0.1", 0) as listening:
        server = make_server(engine, settings)
        # Ctrl-C is for the command: it ends its session before the server.
        server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def listen(host: str, port: int) -> socket.socket:
    """Raises `CannotListen`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise CannotListen(
            f"can't listen on {host}:{port}: {error.strerror or error}; "
            "choose another port with --port, or stop what uses this one"
        ) from error


def make_server(engine: Engine, settings: Settings) -> Server:
    """A server that holds its sessions on `engine`."""
    limits = Limits(
        max_sessions=settings.server.max_sessions,
        session_minutes=settings.server.session_minutes,
        max_event_bytes=round(settings.server.max_event_mib * 2**20),
        send_timeout_s=settings.server.send_timeout_s,
    )
    server = settings.server
    guard = Guard(server.host, server.api_key.get_secret_value(), server.allowed_origins)
    service = Service(
        offer=lambda: _offer(engine, settings),
        models={
            "vad": settings.vad.model,
            "encoder": settings.encoder.model,
            "decoder": settings.decoder.model,
            "voice": engine.voice,
        },
        open=lambda session, outlet: Agent(engine, session, outlet),
    )
    ice_servers = [
        RTCIceServer(list(ice.urls), ice.username, ice.credential.get_secret_value()) for ice in server.ice_servers
    ]
    app = create_app(service, guard, limits, ice_servers=ice_servers)
    return Server(app, server.host, server.port, limits)


def first_settings(engine: Engine, settings: Settings) -> SessionSettings:
    """What every session begins with."""
    turn = settings.turn
    fixed = ServerVad(threshold=turn.threshold, prefix_padding_s=turn.prefix_padding_s, silence_s=turn.silence_s)
    return SessionSettings(
        instructions=settings.agent.instructions,
        tools=(),
        tool_choice="auto",
        modality="audio",
        voice=engine.voice,
        output_rate=WIRE_RATE,
        max_output_tokens=None,
        turn_detection=SemanticVad() if turn.detection == "semantic_vad" else fixed,
        transcribe=False,
        thinking=settings.agent.thinking,
    )


def _offer(engine: Engine, settings: Settings) -> Offer:
    return Offer(
        first_settings(engine, settings),
        tuple(voice.name for voice in engine.synthesizer.voices),
        transcriber=settings.encoder.model,
        language="en",
        thinks=engine.decoder.thinks,
        loaded_voices=tuple(listed.voice.name for listed in engine.synthesizer.list() if listed.state == "loaded"),
        absent=engine.synthesizer.absent(),
    )
