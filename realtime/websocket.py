"""`GET /v1/realtime`: sessions over WebSockets. Carries things between a socket, a `Session` and an agent."""

import asyncio
import logging

from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipeline.commands import Audio, Silence
from realtime.idle import STEP_S, IdleClock, Standstill
from realtime.outbox import Outbox
from realtime.session import Session
from realtime.sessions import Conversing, End, Sessions
from realtime.wire import error_event

log = logging.getLogger(__name__)


async def serve(sessions: Sessions, websocket: WebSocket) -> None:
    """Hold one client's session until it ends."""
    await websocket.accept("realtime" if "realtime" in websocket.scope["subprotocols"] else None)
    session = sessions.open(websocket.query_params)
    outbox = Outbox(session)
    timeout_s = sessions.limits.send_timeout_s
    end = _refuse(sessions, websocket.query_params)
    if end is not None:
        await _say_goodbye(websocket, outbox, end, timeout_s)
        return
    with sessions.place():
        for event in session.open():
            outbox.put(event)
        end = await sessions.hold(
            session,
            outbox,
            lambda agent: (_read(websocket, session, agent, outbox), _write(websocket, outbox, timeout_s)),
        )
        await _say_goodbye(websocket, outbox, end, timeout_s)


def _refuse(sessions: Sessions, query: QueryParams) -> End | None:
    if (refusal := sessions.refuse()) is not None:
        return End(1013, refusal)
    if "call_id" in query or query.get("intent") == "transcription":
        message = "Only sessions of their own of type 'realtime' are supported."
        return End(1008, error_event("unsupported_session_type", message))
    return None


async def _read(websocket: WebSocket, session: Session, agent: Conversing, outbox: Outbox) -> None:
    """Client events to the agent, one by one; and silence, while no audio comes."""
    loop = asyncio.get_running_loop()
    clock, standstill = IdleClock(loop.time()), Standstill()
    receiving = asyncio.ensure_future(websocket.receive())
    try:
        while True:
            await outbox.has_room()
            since = loop.time()
            await asyncio.wait({receiving}, timeout=STEP_S)
            stood_still = standstill.during(since, loop.time())
            if not receiving.done():
                if not stood_still and (owed := clock.due(loop.time())):
                    await agent.do(Silence(owed))
                continue
            message = receiving.result()
            if message["type"] == "websocket.disconnect":
                raise End(None)
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
            await outbox.send(websocket.send_text, timeout_s)
        except TimeoutError:
            log.info("a client took nothing for %g s", timeout_s)
            raise End(None) from None
        except WebSocketDisconnect:
            raise End(None) from None


async def _say_goodbye(websocket: WebSocket, outbox: Outbox, end: End, timeout_s: float) -> None:
    """Send what still waits, the last event and the close code; a client that doesn't take them is left."""
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
        log.info("a client was gone before it was told goodbye")
