"""ASGI middleware that bounds what a client may ask for, before anything is read or computed for it."""

import logging
from contextlib import AsyncExitStack, nullcontext

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from pipeline.runtime.workers import accounted
from realtime.access.access import Caller
from realtime.limits.client_limits import ClientLimits
from realtime.limits.rates import Rate, Verdict
from realtime.limits.refusals import Refusals
from realtime.limits.route_path import route_path
from realtime.limits.session_shares import OwnShares, SessionShares, SharedShares
from realtime.limits.shared_counts import SharedCounts
from realtime.limits.shares import client_address
from realtime.sessions.guard import Refusal, is_loopback

log = logging.getLogger(__name__)

FAILURES_BURST = 10
"""Wrong keys that a client may offer at once."""
FAILURES_A_MINUTE = 10
"""Wrong keys that it may offer in the long run: a guess of 256 bits takes for ever, one of a word not."""


async def turn_away(
    refusal: Refusal, scope: Scope, receive: Receive, send: Send, headers: dict[str, str] | None = None
) -> None:
    """Answer a request or a WebSocket handshake with a refusal."""
    response = JSONResponse(refusal.as_json(), refusal.status, headers)
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)


class RateLimiter:
    """Bounds the requests of each address, and its attempts with wrong keys. It stands before the check of keys."""

    def __init__(
        self, app: ASGIApp, limits: ClientLimits, refusals: Refusals, shared: SharedCounts | None = None
    ) -> None:
        """`shared`: as in `Rate`."""
        self._app = app
        self._limits = limits
        self._refusals = refusals
        burst = limits.requests_per_second * 10
        self._requests = Rate("requests", limits.requests_per_second * 60, burst, shared)
        self._failures = Rate("failures", FAILURES_A_MINUTE, FAILURES_BURST, shared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _host(scope)
        if scope["type"] not in ("http", "websocket") or _is_exempt(host, self._limits):
            await self._app(scope, receive, send)
            return
        client = client_address(host)
        failures = await self._failures.peek(client)
        if not failures.allowed:
            await self._refuse("too_many_failed_keys", "This address offered too many wrong keys.", failures)(
                scope, receive, send
            )
            return
        requests = await self._requests.take(client)
        if not requests.allowed:
            await self._refuse("rate_limit_exceeded", "This address sends too many requests.", requests)(
                scope, receive, send
            )
            return

        async def watch(message: Message) -> None:
            if message.get("status") == 401:
                await self._failures.take(client)
                log.warning("a client at %s offered a wrong key, or none", host)
            await send(message)

        await self._app(scope, receive, watch)

    def _refuse(self, code: str, what: str, verdict: Verdict) -> ASGIApp:
        return _too_many(code, what, verdict, self._refusals)


class SessionLimiter:
    """Bounds the sessions of each client: how many begin, and how many it holds. It stands after the check of keys.

    A request for speech or a transcript counts as one while it lasts, and its work as that of its client.
    What a session counts as is given back when its connection ends. A call outlives its request: its handler takes the
    `AsyncExitStack` at `request.state.place`.
    """

    def __init__(
        self, app: ASGIApp, limits: ClientLimits, refusals: Refusals, shared: SharedCounts | None = None
    ) -> None:
        """`shared`: as in `Rate`."""
        self._app = app
        self._limits = limits
        self._refusals = refusals
        burst = max(5, limits.sessions_per_minute // 6)
        self._beginnings = Rate("sessions", limits.sessions_per_minute, burst, shared)
        self._held: SessionShares = OwnShares() if shared is None else SharedShares(shared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_speech = _asks_for_speech(scope)
        if not is_speech and not _begins_session(scope):
            await self._app(scope, receive, send)
            return
        async with AsyncExitStack() as place:
            HTTPConnection(scope).state.place = place
            if (refused := await self._admit(scope, place)) is not None:
                await refused(scope, receive, send)
                return
            with accounted(f"speech for {_client(scope)[0]}") if is_speech else nullcontext():
                await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, place: AsyncExitStack) -> ASGIApp | None:
        """Count the session of this request. None, or what refuses it."""
        client, has_key = _client(scope)
        if not has_key and _is_exempt(_host(scope), self._limits):
            return None
        most = self._limits.sessions_per_key if has_key else self._limits.sessions_per_client
        if not await place.enter_async_context(self._held.one(client, most)):
            message = (
                f"A client may hold {most} sessions at once, and requests for speech and transcripts count. "
                "Close one, or try again later."
            )
            self._refusals.note("client_session_limit_reached")
            return _refusing(Refusal(429, "client_session_limit_reached", message), {"retry-after": "10"})
        if _asks_for_speech(scope):
            return None
        beginning = await self._beginnings.take(client)
        if not beginning.allowed:
            return _too_many("rate_limit_exceeded", "This client begins too many sessions.", beginning, self._refusals)
        return None


def _begins_session(scope: Scope) -> bool:
    if scope["type"] == "websocket":
        return True
    # A lifespan, which Ray Serve runs, has no path.
    return scope["type"] == "http" and (scope["method"], route_path(scope)) == ("POST", "/v1/realtime/calls")


def _asks_for_speech(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and route_path(scope).startswith("/v1/audio/")


def _client(scope: Scope) -> tuple[str, bool]:
    """Whom a request counts for, and whether that is an API key; else it is an address."""
    caller: Caller = HTTPConnection(scope).state.caller
    has_key = bool(caller.key) and caller.secret is None
    return (f"key {caller.key}" if has_key else client_address(_host(scope))), has_key


def _host(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _is_exempt(host: str, limits: ClientLimits) -> bool:
    return limits.trust_loopback and is_loopback(host)


def _too_many(code: str, what: str, verdict: Verdict, refusals: Refusals) -> ASGIApp:
    headers = verdict.headers()
    refusals.note(code)
    return _refusing(Refusal(429, code, f"{what} Try again in {headers['retry-after']} s."), headers)


def _refusing(refusal: Refusal, headers: dict[str, str]) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await turn_away(refusal, scope, receive, send, headers)

    return refuse
