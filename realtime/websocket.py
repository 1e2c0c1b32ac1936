"""`GET /v1/realtime`: sessions over WebSockets. Carries things between a socket, a `Session` and an agent."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from openai.types.realtime import RealtimeServerEvent
from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipeline.commands import Audio, Command, SessionSettings, Silence
from pipeline.gate import Listener
from realtime.describe import Offer
from realtime.extensions import Extensions
from realtime.idle import STEP_S, IdleClock
from realtime.outbox import Outbox
from realtime.session import Session
from realtime.wire import error_event

log = logging.getLogger(__name__)


class Conversing(Protocol):
    """An agent that holds one conversation."""

    async def run(self) -> None:
        """Hold it, until cancelled."""
        ...

    async def do(self, command: Command) -> None:
        """Hand over a command; waits while the agent is behind."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """What stands behind the wire."""

    offer: Offer
    models: Mapping[str, str]
    """Names of the models by their role."""
    open: Callable[[SessionSettings, Listener], Conversing]


@dataclass(frozen=True, slots=True)
class Limits:
    """Security limits: how much the clients of one server may take."""

    max_sessions: int
    session_minutes: float
    max_event_bytes: int
    send_timeout_s: float
    """A client that takes nothing for so long is gone."""


class _End(Exception):
    """Ends a session: the close code, and the last thing the client is told. No code: the client is gone."""

    def __init__(self, code: int | None, event: RealtimeServerEvent | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.event = event


class Sessions:
    """All sessions of one server."""

    def __init__(self, service: Service, limits: Limits) -> None:
        self._service = service
        self._limits = limits
        self._count = 0
        self._closing = asyncio.Event()
        self._all_ended = asyncio.Event()
        self._all_ended.set()

    def __len__(self) -> int:
        return self._count

    async def close(self) -> None:
        """End every session, now and to come, with the close code 1001; returns when they have ended."""
        self._closing.set()
        await self._all_ended.wait()

    async def serve(self, websocket: WebSocket) -> None:
        """Hold one client's session until it ends."""
        await websocket.accept("realtime" if "realtime" in websocket.scope["subprotocols"] else None)
        session = self._open_session(websocket.query_params)
        outbox = Outbox(session)
        end = self._refuse(websocket.query_params)
        if end is not None:
            await _say_goodbye(websocket, outbox, end, self._limits.send_timeout_s)
            return
        self._count += 1
        self._all_ended.clear()
        try:
            end = await self._hold(websocket, session, outbox)
            await _say_goodbye(websocket, outbox, end, self._limits.send_timeout_s)
        finally:
            self._count -= 1
            if not self._count:
                self._all_ended.set()

    def _open_session(self, query: QueryParams) -> Session:
        return Session(
            self._service.offer,
            query.get("model") or "antiphon",
            max_event_bytes=self._limits.max_event_bytes,
            extensions=Extensions.of(query),
        )

    def _refuse(self, query: QueryParams) -> _End | None:
        if self._count >= self._limits.max_sessions:
            message = f"This server holds at most {self._limits.max_sessions} sessions at once. Try again later."
            return _End(1013, error_event("session_limit_reached", message, kind="server_error"))
        if "call_id" in query or query.get("intent") == "transcription":
            message = "Only sessions of their own of type 'realtime' are supported."
            return _End(1008, error_event("unsupported_session_type", message))
        return None

    async def _hold(self, websocket: WebSocket, session: Session, outbox: Outbox) -> _End:
        for event in session.open():
            outbox.put(event)
        end = _End(None)
        try:
            agent = self._service.open(session.settings, outbox)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(agent.run(), name=f"{session.id} agent")
                tasks.create_task(_read(websocket, session, agent, outbox), name=f"{session.id} reader")
                tasks.create_task(_write(websocket, outbox, self._limits.send_timeout_s), name=f"{session.id} writer")
                tasks.create_task(self._until_over(), name=f"{session.id} end")
        except* _End as ends:
            end = _first(ends)
        except* Exception:
            log.exception("session %s failed", session.id)
            message = "The server had an error and ends this session."
            end = _End(1011, error_event("internal_error", message, kind="server_error"))
        return end

    async def _until_over(self) -> None:
        minutes = self._limits.session_minutes
        try:
            async with asyncio.timeout(minutes * 60):
                await self._closing.wait()
        except TimeoutError:
            message = f"Your session hit the maximum duration of {minutes:g} minutes."
            raise _End(1000, error_event("session_expired", message)) from None
        raise _End(1001)


async def _read(websocket: WebSocket, session: Session, agent: Conversing, outbox: Outbox) -> None:
    """Client events to the agent, one by one; and silence, while no audio comes."""
    loop = asyncio.get_running_loop()
    clock = IdleClock(loop.time())
    receiving = asyncio.ensure_future(websocket.receive())
    try:
        while True:
            await outbox.has_room()
            await asyncio.wait({receiving}, timeout=STEP_S)
            if not receiving.done():
                if owed := clock.due(loop.time()):
                    await agent.do(Silence(owed))
                continue
            message = receiving.result()
            if message["type"] == "websocket.disconnect":
                raise _End(None)
            receiving = asyncio.ensure_future(websocket.receive())
            if message.get("text") is None:
                outbox.put(error_event("invalid_frame", "Events are JSON in text frames, not binary frames."))
                continue
            received = session.receive(message["text"])
            for event in received.events:
                outbox.put(event)
            for command in received.commands:
                if isinstance(command, Audio):
                    clock.heard(loop.time(), len(command.pcm))
                await agent.do(command)
    finally:
        receiving.cancel()
        await asyncio.wait({receiving})


async def _write(websocket: WebSocket, outbox: Outbox, timeout_s: float) -> None:
    while True:
        try:
            await outbox.send(websocket, timeout_s)
        except TimeoutError:
            log.info("a client took nothing for %g s", timeout_s)
            raise _End(None) from None
        except WebSocketDisconnect:
            raise _End(None) from None


async def _say_goodbye(websocket: WebSocket, outbox: Outbox, end: _End, timeout_s: float) -> None:
    """Send what still waits, the last event and the close code; a client that doesn't take them is left."""
    if end.code is None:
        return
    if end.event is not None:
        outbox.put(end.event)
    try:
        async with asyncio.timeout(timeout_s):
            while outbox:
                await outbox.send(websocket, timeout_s)
            await websocket.close(end.code)
    except (TimeoutError, WebSocketDisconnect):
        log.info("a client was gone before it was told goodbye")


def _first(ends: BaseExceptionGroup[_End]) -> _End:
    end = ends.exceptions[0]
    return end if isinstance(end, _End) else _first(end)
