"""`GET /v1/realtime`: sessions over WebSockets, between a socket, a protocol `Session` and an agent."""

import asyncio
import logging
from collections import deque
from contextlib import suppress

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipeline.commands import Audio, Command, Silence
from realtime.limits.pace import Pace
from realtime.protocol.parsing import BETA, error_event
from realtime.protocol.session import Session
from realtime.sessions.client_events import ClientEvents
from realtime.sessions.first_settings import begin_as
from realtime.sessions.frame_budget import LOST
from realtime.sessions.idle_clock import STEP_S, IdleClock, Standstill
from realtime.sessions.live_sessions import SessionAgent, SessionEnd, Sessions
from realtime.sessions.observer import Client
from realtime.sessions.outbox import Outbox

log = logging.getLogger(__name__)


async def serve(sessions: Sessions, websocket: WebSocket) -> None:
    """Hold one client's session until it ends."""
    await websocket.accept("realtime" if "realtime" in websocket.scope["subprotocols"] else None)
    end = _refuse(sessions, websocket)
    opened = await sessions.open(websocket.query_params if end is None else {})
    session = opened.session
    watch = sessions.watch(_client(session, websocket))
    outbox = Outbox(session, watch.delivered)
    timeout_s = sessions.limits.send_timeout_s
    if end is not None:
        await _close(websocket, outbox, end, timeout_s)
        return
    arrivals = _Arrivals(websocket)
    with sessions.reserve():
        complaints = () if opened.resumed else begin_as(session, websocket.state.caller)
        for event in (*opened.greeting(), *complaints):
            outbox.put(event)
        end = await sessions.hold(
            opened,
            outbox,
            lambda agent, pace: (
                arrivals.read(),
                _carry_out(arrivals, session, agent, outbox, pace, sessions.limits.idle_s),
                _write(websocket, outbox, timeout_s),
            ),
            watch,
        )
        await _close(websocket, outbox, end, timeout_s)


def _client(session: Session, websocket: WebSocket) -> Client:
    peer = websocket.client.host if websocket.client is not None else ""
    return Client(session.id, "websocket", peer, websocket.state.caller.key)


def _refuse(sessions: Sessions, websocket: WebSocket) -> SessionEnd | None:
    query = websocket.query_params
    if (refusal := sessions.refuse(query)) is not None:
        return SessionEnd(1013, refusal)
    if "call_id" in query or query.get("intent") == "transcription":
        message = "Only sessions of type 'realtime' that belong to no call are supported."
        return SessionEnd(1008, error_event("unsupported_session_type", message))
    if "realtime=v1" in websocket.headers.get("openai-beta", "") or _BETA_PROTOCOL in websocket.scope["subprotocols"]:
        return SessionEnd(1008, error_event("beta_api_shape_disabled", BETA))
    return None


_BETA_PROTOCOL = "openai-beta.realtime-v1"
"""How browsers, which cannot set headers, ask for the beta."""


class _Arrivals:
    """A client's messages, read ahead so that a client that hangs up is noticed while others are still carried out."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._unread: deque[Message] = deque()
        self._characters = 0
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._lost: asyncio.Event = websocket.scope["state"].get(LOST) or asyncio.Event()  # other servers set none

    async def read(self) -> None:
        """Read for ever. Raises `SessionEnd` when the client is gone."""
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise SessionEnd(None)
            self._unread.append(message)
            self._characters += _length(message)
            self._changed.set()
            while self._characters > _AHEAD:
                self._taken.clear()
                await self._room()
                if self._lost.is_set():
                    raise SessionEnd(None)

    async def _room(self) -> None:
        """Wait until a message is taken, or the client is gone, whose end is behind what it has sent."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._taken, self._lost)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def next(self, timeout_s: float) -> Message | None:
        """The next message; None if none arrives in that time."""
        if not self._unread:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
        if not self._unread:
            return None
        message = self._unread.popleft()
        self._characters -= _length(message)
        self._taken.set()
        return message


_AHEAD = 256 * 1024
"""Characters of messages that are read before they are carried out, besides the last of them."""


def _length(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or "")


async def _carry_out(
    arrivals: _Arrivals, session: Session, agent: SessionAgent, outbox: Outbox, pace: Pace, idle_s: float
) -> None:
    """Pass client events to the agent, one by one, and silence while no audio arrives."""
    loop = asyncio.get_running_loop()
    clock, standstill = IdleClock(loop.time()), Standstill()

    def heard(command: Command) -> None:
        if isinstance(command, Audio):
            clock.received(loop.time(), len(command.pcm))

    events = ClientEvents(session, agent, outbox, pace, heard)
    heard_at = loop.time()
    while True:
        await outbox.ready_for_requests()
        since = loop.time()
        message = await arrivals.next(STEP_S)
        stood_still = standstill.during(since, loop.time())
        if message is None:
            if loop.time() - heard_at > idle_s:
                raise SessionEnd(1000, error_event("session_idle", _IDLE.format(idle_s / 60)))
            if not stood_still and (owed := clock.due(loop.time())):
                await agent.do(Silence(owed))
            continue
        heard_at = loop.time()
        if message.get("text") is None:
            outbox.put(error_event("invalid_frame", "Events are JSON in text frames, not binary frames."))
            continue
        await events.carry_out(message["text"])


_IDLE = "The session is closed, because its client sent nothing for {:g} minutes."


async def _write(websocket: WebSocket, outbox: Outbox, timeout_s: float) -> None:
    while True:
        try:
            await outbox.send(websocket.send_text, timeout_s)
        except TimeoutError:
            log.info("a client took nothing for %g s", timeout_s)
            raise SessionEnd(None) from None
        except WebSocketDisconnect:
            raise SessionEnd(None) from None


async def _close(websocket: WebSocket, outbox: Outbox, end: SessionEnd, timeout_s: float) -> None:
    """Send the queued events, the last one and the close code, unless the client does not take them in time."""
    if end.code is None:
        return
    if end.event is not None:
        outbox.put(end.event)
    try:
        async with asyncio.timeout(timeout_s):
            while outbox:
                await outbox.send(websocket.send_text, timeout_s)
            await websocket.close(end.code)
    except (TimeoutError, WebSocketDisconnect):
        log.info("a client left before its session was closed")
