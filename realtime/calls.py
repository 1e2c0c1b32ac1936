"""`/v1/realtime/calls`: calls over WebRTC, begun by an SDP offer and ended by a request or by themselves."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

from aiortc import RTCIceServer
from openai.types.realtime import RealtimeErrorEvent
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.events import Updated
from realtime.auth import Refusal
from realtime.sdp import BadOffer
from realtime.session import Session
from realtime.sessions import Sessions
from realtime.webrtc import Call
from realtime.wire import ServerEvent

log = logging.getLogger(__name__)

_MOST_SDP_BYTES = 64 * 1024
"""Ten times what browsers send."""


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(status, code, message)


class Calls:
    """All calls of one server; they count as its sessions."""

    def __init__(self, sessions: Sessions, ice_servers: Sequence[RTCIceServer]) -> None:
        self._sessions = sessions
        self._ice_servers = ice_servers
        self._calls: dict[str, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def create(self, request: Request) -> Response:
        """Answer an offer with status 201; the call's address is its Location."""
        try:
            offer, config = await self._read(request)
            session, complaints = self._open_session(request, config)
            async with AsyncExitStack() as stack:
                stack.enter_context(self._sessions.place())
                call = Call(session, self._ice_servers, self._sessions.limits.send_timeout_s)
                stack.push_async_callback(call.close)
                answer = await call.answer(offer)
                self._begin(call, complaints, stack.pop_all())
        except _Refused as refused:
            return _refusal(refused.refusal)
        except BadOffer as error:
            return _refusal(Refusal(400, "invalid_offer", str(error)))
        location = f"/v1/realtime/calls/{call.id}"
        return Response(answer, 201, {"Location": location}, "application/sdp")

    async def hang_up(self, request: Request) -> Response:
        call = self._calls.get(request.path_params["call_id"])
        if call is None:
            return _refusal(Refusal(404, "call_not_found", "There is no call of that id."))
        call.hang_up()
        return Response()

    def _begin(self, call: Call, complaints: Sequence[ServerEvent], stack: AsyncExitStack) -> None:
        self._calls[call.id] = call
        task = asyncio.create_task(self._hold(call, complaints, stack), name=call.id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, call: Call, complaints: Sequence[ServerEvent], stack: AsyncExitStack) -> None:
        try:
            async with stack:
                await call.hold(self._sessions, complaints)
        except Exception:
            log.exception("call %s failed", call.id)
        finally:
            del self._calls[call.id]

    def _open_session(self, request: Request, config: str | None) -> tuple[Session, Sequence[ServerEvent]]:
        """A session that begins with what the client asks for in `config`; and what of that isn't to be had."""
        if (full := self._sessions.refuse()) is not None:
            raise _Refused(503, full.error.code or "", full.error.message)
        session = self._sessions.open(request.query_params, by_track=True)
        if config is None:
            return session, ()
        try:
            wanted = json.loads(config)
        except ValueError as error:
            raise _Refused(400, "invalid_json", f"The session is no valid JSON: {error}.") from None
        received = session.receive(json.dumps({"type": "session.update", "session": wanted}))
        if not received.commands:
            [problem] = [event.error for event in received.events if isinstance(event, RealtimeErrorEvent)]
            raise _Refused(400, problem.code or "", problem.message)
        session.report(Updated(session.settings))  # in force from the beginning
        return session, received.events

    async def _read(self, request: Request) -> tuple[str, str | None]:
        """The offer, and the session's settings if there are any."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/sdp":
            body = b"".join([chunk async for chunk in _bounded(request, _MOST_SDP_BYTES)])
            return _text(body), None
        if kind != "multipart/form-data":
            message = f"A call begins with application/sdp or multipart/form-data, not with '{kind[:80]}'."
            raise _Refused(415, "unsupported_media_type", message)
        most = self._sessions.limits.max_event_bytes
        parser = MultiPartParser(
            request.headers, _bounded(request, _MOST_SDP_BYTES + most), max_files=2, max_fields=8, max_part_size=most
        )
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise _Refused(400, "invalid_form", f"The form can't be read: {error.message}") from None
        try:
            fields = {
                name: value if isinstance(value, str) else _text(await value.read()) for name, value in form.items()
            }
        finally:
            await form.close()
        if "sdp" not in fields:
            raise _Refused(400, "missing_required_parameter", "Missing required parameter: 'sdp'.")
        return fields["sdp"], fields.get("session")


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes]:
    """The body, as long as it isn't too long."""
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > most:
            raise _Refused(413, "request_too_large", f"The body of the request has more than {most} bytes.")
        yield chunk


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise _Refused(400, "invalid_offer", "The body of the request is no UTF-8 text.") from None


def _refusal(refusal: Refusal) -> Response:
    return JSONResponse(refusal.as_json(), refusal.status)
