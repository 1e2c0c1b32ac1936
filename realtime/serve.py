"""The server, assembled from the engine, the application and the settings."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

from aiortc import RTCIceServer
from platformdirs import user_state_path
from prometheus_client import start_http_server
from redis.asyncio import Redis
from starlette.applications import Starlette

from audio.errors import PlainError
from pipeline.agent import Agent
from pipeline.commands import SemanticVad, ServerVad, SessionSettings
from pipeline.engine import Engine
from pipeline.settings import PipelineSettings
from pipeline.weights.store import ModelStore
from realtime.access.access import Access
from realtime.access.api_keys import KeyRing, keys_file
from realtime.access.certificate import Certificate
from realtime.access.client_secrets import OwnSecrets
from realtime.access.shared_secrets import SharedSecrets
from realtime.app import Server, create_app
from realtime.limits.client_limits import ClientLimits
from realtime.limits.connections import raise_file_limit
from realtime.limits.pace import PaceLimits
from realtime.observability.freed_memory import trim
from realtime.observability.session_log import SessionLog
from realtime.observability.traces import Traces, exporting_to
from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.event_bounds import CHARACTERS_A_TOKEN
from realtime.protocol.session_config import Offer
from realtime.sessions.guard import Guard, is_loopback
from realtime.sessions.live_sessions import Limits, Service
from realtime.sessions.observer import Observer
from realtime.settings import ServerSettings, Settings
from realtime.speech.routes import speech_routes


class CannotListen(PlainError):
    """The server cannot listen on its address. The message states why and what to do."""


@asynccontextmanager
async def loaded(settings: Settings, report: Callable[[str], None] = lambda stage: None) -> AsyncIterator[Engine]:
    """The engine that `settings` describe, closed at the end of the context. Raises what `Engine.load` raises."""
    store = ModelStore(settings.models.cache, settings.models.offline)
    engine = await Engine.load(settings, store, report)
    trim()  # with small models, an eighth of what loading took is free by now
    try:
        with _kept_objects():
            yield engine
    finally:
        await engine.close()


@contextmanager
def _kept_objects() -> Iterator[None]:
    """Spare the garbage collector what is there and will stay, while the context lasts.

    Looking through its 200,000 objects holds up every thread for 90 ms, and a client's events can cause it.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@asynccontextmanager
async def running(engine: Engine, settings: Settings) -> AsyncIterator[str]:
    """Serve in this process while the context lasts, on a free loopback port. Yields the URL."""
    with listen("127.0.0.1", 0) as listening:
        # This server is for its own process, which knows no named key, and nothing outlives it.
        access = Access(KeyRing(settings.server.api_key.get_secret_value()))
        server = make_server(engine, settings, access, handles_signals=False)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        answering = asyncio.create_task(server.answers.wait())
        try:
            await asyncio.wait((serving, answering), return_when=asyncio.FIRST_COMPLETED)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            answering.cancel()
            server.should_exit = True
            await serving


def certificate_of(settings: Settings) -> Certificate | None:
    """The certificate that the settings name. Raises `BadCertificate`."""
    certfile, keyfile = settings.server.certfile, settings.server.keyfile
    if certfile is None or keyfile is None:
        return None
    certificate = Certificate(certfile.expanduser(), keyfile.expanduser())
    certificate.check()
    return certificate


def open_access(settings: Settings, redis: Redis | None = None) -> Access:
    """The keys that open a server with these settings; with `redis`, its replicas know each other's ephemeral keys.

    Raises `CannotListen` for a server that anybody in the network could use, unless the settings want that, and
    `KeyProblem` for keys that cannot be read.
    """
    server = settings.server
    keys = KeyRing(server.api_key.get_secret_value(), keys_file(server.keys_file))
    if not (is_loopback(server.host) or keys.required or server.keyless):
        raise CannotListen(
            f"anyone who can reach {server.host} could use this server: make a key with `antiphon keys add NAME`, "
            "set ANTIPHON_SERVER__API_KEY, or set server.keyless = true if that is what you want"
        )
    if redis is not None:
        return Access(keys, SharedSecrets(redis))
    return Access(keys, OwnSecrets(user_state_path("antiphon") / "client-secrets.jsonl"))


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, on which the server listens when it can answer. Raises `CannotListen`.

    Until then connections are refused, so that a client tries again instead of waiting for the models to load.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
        return bound
    except OSError as error:
        bound.close()
        raise CannotListen(
            f"can't listen on {host}:{port}: {error.strerror or error}; "
            "choose another port with --port, or stop what uses this one"
        ) from error


@contextmanager
def observing(settings: Settings) -> Iterator[Sequence[Observer]]:
    """The observers that the settings ask for. Raises `MissingPackage` where traces need one."""
    log = SessionLog(settings.log.words)
    if not settings.metrics.traces_url:
        yield [log]
        return
    traces = Traces(exporting_to(settings.metrics.traces_url))
    try:
        yield [log, traces]
    finally:
        traces.close()


@contextmanager
def metrics_port(settings: Settings, server: Server) -> Iterator[None]:
    """Serve the metrics on a port of their own while the context lasts, if the settings name one.

    Raises `CannotListen`.
    """
    host, port = settings.metrics.host, settings.metrics.port
    if port is None:
        yield
        return
    try:
        http, thread = start_http_server(port, host, server.metrics.registry)
    except OSError as error:
        raise CannotListen(
            f"can't serve metrics on {host}:{port}: {error.strerror or error}; choose another metrics.port"
        ) from error
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def make_server(
    engine: Engine,
    settings: Settings,
    access: Access,
    handles_signals: bool = True,
    observers: Sequence[Observer] = (),
    certificate: Certificate | None = None,
    redis: Redis | None = None,
) -> Server:
    """A server of the application of `make_app`. `handles_signals`: it shuts down at Ctrl-C and SIGTERM."""
    app = make_app(engine, settings, access, observers, redis=redis)
    server, limits = settings.server, app.state.sessions.limits
    return Server(
        app,
        server.host,
        server.port,
        limits,
        handles_signals,
        server.drain_s,
        certificate,
        server.trusted_proxies,
    )


def make_app(
    engine: Engine,
    settings: Settings,
    access: Access,
    observers: Sequence[Observer] = (),
    place: str = "",
    redis: Redis | None = None,
) -> Starlette:
    """The application whose sessions use `engine`, for callers that `access` lets in; `observers` see its sessions.

    `place`: as in `Sessions`. `redis`: the server that its replicas share; None: it has none.
    """
    server = settings.server
    limits = limits_of(server)
    guard = Guard(server.host, access, server.allowed_origins, server.allowed_hosts)
    upstreams = {"encoder": settings.encoder.url, "decoder": settings.decoder.url, "voice": settings.voice.url}
    service = Service(
        offer=lambda: _offer(engine, settings),
        models={
            "vad": settings.vad.model,
            "encoder": settings.encoder.model,
            "decoder": settings.decoder.model,
            "voice": engine.voice,
        },
        open=lambda session, outlet, items: Agent(engine, session, outlet, items),
        queues={"workers": lambda: engine.workers.waiting},
        upstreams={role: url for role, url in upstreams.items() if url},
    )
    ice_servers = [
        RTCIceServer(list(ice.urls), ice.username, ice.credential.get_secret_value()) for ice in server.ice_servers
    ]
    return create_app(
        service,
        guard,
        limits,
        ice_servers=ice_servers,
        more=speech_routes(engine, service.offer),
        sends_to=other_hosts(settings),
        observers=observers,
        place=place,
        media_address=server.media_address,
        redis=redis,
    )


def limits_of(server: ServerSettings) -> Limits:
    """The limits that these settings give. Raises this process's limit on open files as far as it may."""
    clients = ClientLimits(
        trust_loopback=server.trust_loopback,
        requests_per_second=server.requests_per_second,
        sessions_per_minute=server.sessions_per_minute,
        sessions_per_client=server.sessions_per_client or max(2, server.max_sessions // 2),
        sessions_per_key=server.sessions_per_key,
        connections_per_client=server.connections_per_client,
        max_connections=server.max_connections or raise_file_limit(),
        request_timeout_s=server.request_timeout_s,
    )
    return Limits(
        max_sessions=server.max_sessions,
        session_minutes=server.session_minutes,
        max_event_bytes=round(server.max_event_mib * 2**20),
        send_timeout_s=server.send_timeout_s,
        resume_s=server.resume_s,
        idle_s=server.idle_minutes * 60,
        clients=clients,
        loop_lag_s=server.loop_lag_s,
        first_packet_s=server.first_packet_s,
        pace=PaceLimits(
            server.events_per_second, server.kib_per_second * 1024, server.audio_speed, server.answers_per_second
        ),
    )


def other_hosts(settings: PipelineSettings) -> tuple[str, ...]:
    """Hosts other than this machine to which the backends of these settings send what users say, in order."""
    urls = (settings.encoder.url, settings.decoder.url, settings.voice.url)
    hosts = [host for url in urls if (host := urlsplit(url).hostname) and not is_loopback(host)]
    return tuple(dict.fromkeys(hosts))


def first_settings(engine: Engine, settings: Settings) -> SessionSettings:
    """The settings with which every session begins."""
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
        described_voices=tuple(engine.synthesizer.voices),
        absent=engine.synthesizer.absent(),
        max_characters=CHARACTERS_A_TOKEN * engine.settings.decoder.context_tokens,
        longest_clip_s=settings.turn.max_turn_s,
    )
