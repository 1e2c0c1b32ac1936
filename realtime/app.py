"""The HTTP application: WebSocket and WebRTC endpoints, /health and the web page, protected by one guard."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from functools import partial
from types import FrameType

import uvicorn
from aiortc import RTCIceServer
from prometheus_client import CONTENT_TYPE_LATEST
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from realtime import page
from realtime.access.access import Caller
from realtime.access.certificate import Certificate, RenewedCertificate
from realtime.client_secrets import ClientSecretsEndpoint
from realtime.limits.connections import Connections
from realtime.limits.middleware import RateLimiter, SessionLimiter, turn_away
from realtime.limits.refusals import Refusals
from realtime.limits.route_path import route_path
from realtime.limits.shared_counts import SharedCounts
from realtime.observability.freed_memory import FreedMemory
from realtime.observability.metrics import Metrics
from realtime.readiness import Readiness
from realtime.sessions.frame_budget import BudgetedWebSocket
from realtime.sessions.guard import Guard, Refusal
from realtime.sessions.live_sessions import Limits, Service, Sessions
from realtime.sessions.observer import Observer
from realtime.sessions.redis_store import RedisStore
from realtime.sessions.state_store import StateStore
from realtime.webrtc.calls import Calls
from realtime.websocket import serve

log = logging.getLogger(__name__)

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(
    service: Service,
    guard: Guard,
    limits: Limits,
    lifespan: Lifespan | None = None,
    ice_servers: Sequence[RTCIceServer] = (),
    more: Sequence[BaseRoute] = (),
    sends_to: Sequence[str] = (),
    observers: Sequence[Observer] = (),
    store: StateStore | None = None,
    place: str = "",
    media_address: str = "",
    redis: Redis | None = None,
) -> Starlette:
    """The application for `Server`; `more` are routes besides the protocol's, `observers` see its sessions.

    Its sessions are at `app.state.sessions`, its metrics at `app.state.metrics`, and the count of what it turned away
    at `app.state.refusals`. `sends_to`: other hosts that receive what users say. `place`: as in `Sessions`.
    `media_address`: as in `Call`. `redis`: a server in which all replicas count what each client uses, and keep
    sessions for clients that come back, unless there is another `store` for these.
    """
    refusals = Refusals()
    shared = None if redis is None else SharedCounts(redis)
    if store is None and redis is not None:
        store = RedisStore(redis)
    sessions = Sessions(service, limits, refusals, store, place)
    queues = {**service.queues, "outbox": lambda: sessions.unsent}
    metrics = Metrics(lambda: len(sessions), limits.max_sessions, refusals.counts, queues)
    sessions.observers += (metrics, FreedMemory(), *observers)
    calls = Calls(sessions, ice_servers, media_address)

    async def health(request: Request) -> JSONResponse:
        offer = service.offer()
        knows_key = isinstance(await guard.identify(request.headers), Caller)
        return JSONResponse(
            {
                "status": "ok",
                "sessions": len(sessions),
                "max_sessions": limits.max_sessions,
                "models": dict(service.models),
                "voices": list(offer.voices),
                "loaded_voices": list(offer.loaded_voices),
                "voice_details": {
                    voice.name: {"language": voice.language, "sex": voice.sex} for voice in offer.described_voices
                },
                "absent_voices": dict(offer.absent),
                "sends_to": list(sends_to),
                # A TURN server costs bandwidth: its credentials are for clients that have the key.
                "ice_servers": [_as_ice_server(ice) for ice in ice_servers if knows_key or not ice.credential],
            }
        )

    def scrape(request: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    def not_found(request: Request, error: Exception) -> Response:
        """A path that does not exist is that for any method, though the web page's mount takes GET only."""
        known = any(isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE for route in routes)
        status, code = (405, "method_not_allowed") if known else (404, "unknown_url")
        message = f"Unknown request URL: {request.method} {request.url.path}."
        headers = error.headers if isinstance(error, HTTPException) else None
        return JSONResponse(Refusal(status, code, message).as_json(), status, headers)

    routes: list[BaseRoute] = [
        WebSocketRoute("/v1/realtime", partial(serve, sessions)),
        Route("/v1/realtime/calls", calls.create, methods=["POST"]),
        Route("/v1/realtime/calls/{call_id}/hangup", calls.hang_up, methods=["POST"]),
        Route("/v1/realtime/client_secrets", ClientSecretsEndpoint(guard.access, sessions).create, methods=["POST"]),
        Route("/health", health),
        Route("/metrics", scrape),
        Route("/ready", Readiness(service, sessions).get),
        *more,
    ]
    routes.append(WebSocketRoute("/{path:path}", _no_websocket))
    if (page.FOLDER / "index.html").is_file():
        routes.append(Mount("/", page.Page()))
    # Browsers ask before another origin's page may post an offer. The gate then decides about the offer itself.
    cors = Middleware(
        CORSMiddleware,
        allow_origins=guard.allowed_origins,
        allow_methods=["GET", "POST"],
        # The official SDKs send headers of their own, and browsers ask for each. Who may ask is up to the origin.
        allow_headers=["*"],
        expose_headers=["Location"],
    )
    app = Starlette(
        routes=routes,
        middleware=[
            cors,
            Middleware(RateLimiter, limits=limits.clients, refusals=refusals, shared=shared),
            Middleware(_Gate, guard=guard, refusals=refusals),
            Middleware(SessionLimiter, limits=limits.clients, refusals=refusals, shared=shared),
        ],
        exception_handlers={404: not_found, 405: not_found, ClientDisconnect: _gone},
        lifespan=lifespan,
    )
    app.state.sessions = sessions
    app.state.refusals = refusals
    app.state.metrics = metrics
    return app


_TICK_S = 0.1
"""Interval of uvicorn's main loop."""
RENEWAL_TICKS = 100
"""Ticks between two looks at the files of the certificate."""


class Server(uvicorn.Server):
    """Serves the application of `create_app`. Ctrl-C ends its sessions with close code 1001.

    SIGTERM drains it: no new session begins, and each ends, when its turn is over and after `drain_s` seconds at the
    latest, with an error event and close code 1012. A second signal ends the server at once.
    """

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        limits: Limits,
        handles_signals: bool = True,
        drain_s: float = 0,
        certificate: Certificate | None = None,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        """`handles_signals`: shut down at signals, instead of leaving them to the caller.

        With a `certificate` it serves TLS and nothing else; a renewed one is in use without a restart.
        `trusted_proxies`: addresses and networks whose X-Forwarded-For and X-Forwarded-Proto headers count. From
        anyone else they are ignored.
        """
        self.connections = Connections(limits.clients, app.state.refusals, trusted_proxies)
        """The connections that are open."""
        config = uvicorn.Config(
            app,
            http=self.connections.protocol(),
            host=host,
            port=port,
            log_level="warning",
            # A larger message is not even received: the connection is closed with 1009.
            ws_max_size=2 * limits.max_event_bytes,
            # Compressing base64 audio takes more time than sending it.
            ws_per_message_deflate=False,
            ws=BudgetedWebSocket,
            timeout_graceful_shutdown=10,
            ssl_certfile=certificate.certfile if certificate is not None else None,
            ssl_keyfile=certificate.keyfile if certificate is not None else None,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
        )
        super().__init__(config)
        self._certificate = certificate
        self._renewed: RenewedCertificate | None = None
        logging.getLogger("uvicorn.error").addFilter(_is_not_refusal)
        self.answers = asyncio.Event()
        """Set once the server accepts connections."""
        self._sessions: Sessions = app.state.sessions
        self.metrics: Metrics = app.state.metrics
        self._watching: asyncio.Task[None] | None = None
        self._send_timeout_s = limits.send_timeout_s
        self._handles_signals = handles_signals
        self._ticked_at = 0.0
        self._drain_s = drain_s
        self._signalled = False
        self._draining: asyncio.Task[None] | None = None
        self._forced = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        with super().capture_signals() if self._handles_signals else nullcontext():
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal's handler. Signals that uvicorn's own method sees are raised again in the end."""
        first, self._signalled = not self._signalled, True
        if first and sig == signal.SIGTERM:
            asyncio.get_running_loop().call_soon_threadsafe(self._begin_drain)
            return
        super().handle_exit(sig, frame)
        if not first:
            self.force_exit = True
            asyncio.get_running_loop().call_soon_threadsafe(self._forced.set)

    def _begin_drain(self) -> None:
        self._draining = asyncio.create_task(self._drain(), name="drain")

    async def _drain(self) -> None:
        log.info("draining: no new session begins, and turns end within %g s", self._drain_s)
        await self._sessions.drain(self._drain_s)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in (listening for server in self.servers for listening in server.sockets):
            # Accepted connections inherit both. Nagle's algorithm holds small events back for 40 ms; asyncio turns it
            # off only for sockets whose protocol was named.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Without a limit, a closed connection stays until its peer has acknowledged everything that was sent.
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                milliseconds = round(self._send_timeout_s * 1000)
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        if self._certificate is not None and self.config.ssl is not None:
            self._renewed = RenewedCertificate(self._certificate, self.config.ssl)
        self._watching = asyncio.create_task(self.metrics.watch_loop(), name="loop lag")
        self.answers.set()

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn every 0.1 s: how much later it is called is the lag of the loop."""
        now = asyncio.get_running_loop().time()
        if counter:
            self._sessions.load.lagged(max(0.0, now - self._ticked_at - _TICK_S))
        self._ticked_at = now
        if self._renewed is not None and counter % RENEWAL_TICKS == 0:
            self._renewed.refresh()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn itself would close them without a word to their clients.
        closing = asyncio.create_task(self._sessions.close())
        forced = asyncio.create_task(self._forced.wait())
        await asyncio.wait({closing, forced}, timeout=self._send_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        leftover = {task for task in (closing, forced, self._draining, self._watching) if task is not None}
        for task in leftover:
            task.cancel()
        await asyncio.wait(leftover)
        await super().shutdown(sockets)


_FOR_SECRETS = ("/v1/realtime/calls", "/v1/audio/speech")
"""Paths, besides the WebSocket's, that an ephemeral key opens: calls, and the samples of voices that a page plays."""


class _Gate:
    """Middleware that rejects requests which the guard refuses, before they reach a route."""

    def __init__(self, app: ASGIApp, guard: Guard, refusals: Refusals) -> None:
        self._app = app
        self._guard = guard
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._check(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        self._refusals.note(refusal.code)
        peer = scope["client"][0] if scope.get("client") else ""
        log.info("request refused", extra={"code": refusal.code, "peer": peer, "path": scope["path"]})
        await turn_away(refusal, scope, receive, send)

    async def _check(self, scope: Scope) -> Refusal | None:
        """The reason to refuse the request, if there is one; else its caller is noted in its state."""
        connection = HTTPConnection(scope)
        headers = connection.headers
        reads_only = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        refusal = self._guard.check_host(headers) or (None if reads_only else self._guard.check_origin(headers))
        path = route_path(scope)
        keyed = scope["type"] == "websocket" or path == "/metrics" or path.startswith("/v1/")
        if refusal is not None or not keyed:
            return refusal
        caller = await self._guard.identify(headers, scope.get("subprotocols", ()))
        if isinstance(caller, Refusal):
            return caller
        if caller.secret is not None and not (path == "/v1/realtime" or path.startswith(_FOR_SECRETS)):
            message = "An ephemeral key opens sessions; this request needs an API key."
            return Refusal(403, "insufficient_permissions", message)
        connection.state.caller = caller
        return None


def _gone(request: Request, error: Exception) -> Response:
    """The client left in the middle of its upload: nobody reads this answer, and it is no failure of ours."""
    log.info("a client left while it sent %s %s", request.method, request.url.path)
    return Response(status_code=400)


async def _no_websocket(websocket: WebSocket) -> None:
    refusal = Refusal(404, "unknown_url", f"There is no WebSocket at {websocket.url.path}: it is at /v1/realtime.")
    await websocket.send_denial_response(JSONResponse(refusal.as_json(), refusal.status))


def _as_ice_server(ice: RTCIceServer) -> dict[str, object]:
    """The fields of an ICE server as a browser's `RTCPeerConnection` takes them."""
    fields = {"urls": ice.urls, "username": ice.username, "credential": ice.credential}
    return {name: value for name, value in fields.items() if value}


def _is_not_refusal(record: logging.LogRecord) -> bool:
    """Filters a log record: uvicorn reports a WebSocket refused by an HTTP response as a failing application.

    It also prints a traceback for a client's text that is not UTF-8; the sentence is enough.
    """
    if record.msg == "Invalid UTF-8 sequence received from client.":
        record.exc_info, record.levelno, record.levelname = None, logging.WARNING, "WARNING"
    return record.msg != "ASGI callable returned without completing handshake."
