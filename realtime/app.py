"""The HTTP application: WebSocket and WebRTC endpoints, /health and the web page, behind one guard."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path

import uvicorn
from aiortc import RTCIceServer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from realtime.auth import Guard, Refusal
from realtime.calls import Calls
from realtime.sessions import Limits, Service, Sessions
from realtime.websocket import serve

WEB_CLIENT = Path(__file__).parent.parent / "web_client"

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(
    service: Service,
    guard: Guard,
    limits: Limits,
    lifespan: Lifespan | None = None,
    ice_servers: Sequence[RTCIceServer] = (),
) -> Starlette:
    """`app.state.sessions` are its `Sessions`."""
    sessions = Sessions(service, limits)
    calls = Calls(sessions, ice_servers)

    def health(request: Request) -> JSONResponse:
        offer = service.offer()
        knows_key = guard.check_key(request.headers) is None
        return JSONResponse(
            {
                "status": "ok",
                "sessions": len(sessions),
                "max_sessions": limits.max_sessions,
                "models": dict(service.models),
                "voices": list(offer.voices),
                "loaded_voices": list(offer.loaded_voices),
                # Relaying costs somebody bandwidth: whoever has no key isn't told how.
                "ice_servers": [_as_browsers_take_it(ice) for ice in ice_servers if knows_key or not ice.credential],
            }
        )

    routes: list[BaseRoute] = [
        WebSocketRoute("/v1/realtime", partial(serve, sessions)),
        Route("/v1/realtime/calls", calls.create, methods=["POST"]),
        Route("/v1/realtime/calls/{call_id}/hangup", calls.hang_up, methods=["POST"]),
        Route("/health", health),
    ]
    if (WEB_CLIENT / "index.html").is_file():
        routes.append(Mount("/", StaticFiles(directory=WEB_CLIENT, html=True)))
    # Browsers ask before they let another origin's page post an offer; whether it may is then up to the gate.
    others = Middleware(
        CORSMiddleware,
        allow_origins=guard.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Location"],
    )
    app = Starlette(routes=routes, middleware=[others, Middleware(_Gate, guard=guard)], lifespan=lifespan)
    app.state.sessions = sessions
    return app


class Server(uvicorn.Server):
    """Serves the app of `create_app`. On shutdown its sessions end with the close code 1001."""

    def __init__(self, app: Starlette, host: str, port: int, limits: Limits) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            # A message beyond this is not even received: the connection is closed with 1009.
            ws_max_size=2 * limits.max_event_bytes,
            # Compressing base64 audio costs more time than its bytes do.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=10,
        )
        super().__init__(config)
        logging.getLogger("uvicorn.error").addFilter(_is_no_refusal)
        self._sessions: Sessions = app.state.sessions
        self._send_timeout_s = limits.send_timeout_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in (listening for server in self.servers for listening in server.sockets):
            # A closed connection would live on for as long as its peer doesn't take what was written to it.
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                milliseconds = round(self._send_timeout_s * 1000)
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn itself would close them with 1012, in the middle of a sentence.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._sessions.close(), self._send_timeout_s)
        await super().shutdown(sockets)


class _Gate:
    """Turns away what the guard refuses, before it reaches a route."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._check(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        response = JSONResponse(refusal.as_json(), refusal.status)
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(response)
        else:
            await response(scope, receive, send)

    def _check(self, scope: Scope) -> Refusal | None:
        headers = HTTPConnection(scope).headers
        reads_only = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        keyed = scope["type"] == "websocket" or scope["path"].startswith("/v1/")
        return (
            self._guard.check_host(headers)
            or (None if reads_only else self._guard.check_origin(headers))
            or (self._guard.check_key(headers, scope.get("subprotocols", ())) if keyed else None)
        )


def _as_browsers_take_it(ice: RTCIceServer) -> dict[str, object]:
    """For a browser's `RTCPeerConnection`."""
    fields = {"urls": ice.urls, "username": ice.username, "credential": ice.credential}
    return {name: value for name, value in fields.items() if value}


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """uvicorn takes a WebSocket that was refused by an HTTP response for a failure of the application."""
    return record.msg != "ASGI callable returned without completing handshake."
