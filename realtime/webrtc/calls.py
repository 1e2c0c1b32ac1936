"""`POST /v1/realtime/calls`: calls over WebRTC, opened by an SDP offer, closed by a request or by either side."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

from aiortc import RTCIceServer
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from realtime.protocol.parsing import Invalid, ServerEvent
from realtime.sessions.first_settings import begin_as, begin_with
from realtime.sessions.guard import Refusal
from realtime.sessions.live_sessions import OpenSession, Sessions
from realtime.sessions.observer import Client
from realtime.webrtc.call import Call
from realtime.webrtc.sdp import BadOffer

log = logging.getLogger(__name__)

_MAX_SDP_BYTES = 64 * 1024
"""Ten times the size of a browser's offer."""
_MAX_FORM_BYTES = 2**20
"""An offer and a session, whose text is bounded by the context of a decoder."""


class _Refused(Exception):
    """Turns a request away with an HTTP status and the protocol's error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(status, code, message)


class Calls:
    """The calls of one server. Each counts as one of its sessions."""

    def __init__(self, sessions: Sessions, ice_servers: Sequence[RTCIceServer], media_address: str = "") -> None:
        """`media_address`: as in `Call`."""
        self._sessions = sessions
        self._ice_servers = ice_servers
        self._media_address = media_address
        self._calls: dict[str, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def create(self, request: Request) -> Response:
        """Answer an SDP offer with status 201 and an SDP answer; the Location header is the call's address."""
        try:
            if (full := self._sessions.refuse(request.query_params)) is not None:
                raise _Refused(503, full.error.code or "", full.error.message)
            async with AsyncExitStack() as stack:
                # First the place: an offer that is still being sent costs memory, as a session does.
                await stack.enter_async_context(request.state.place.pop_all())
                stack.enter_context(self._sessions.reserve())
                offer, config = await self._read_in_time(request)
                opened, complaints = await self._open_session(request, config)
                peer = request.client.host if request.client is not None else ""
                watch = self._sessions.watch(Client(opened.session.id, "webrtc", peer, request.state.caller.key))
                timeout_s = self._sessions.limits.send_timeout_s
                call = Call(opened, self._ice_servers, timeout_s, watch, self._media_address)
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
        """End the call named in the path."""
        call = self._calls.get(request.path_params["call_id"])
        if call is None:
            return _refusal(Refusal(404, "call_not_found", "There is no call with this id."))
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

    async def _open_session(self, request: Request, config: str | None) -> tuple[OpenSession, Sequence[ServerEvent]]:
        """A session that begins with the settings of the caller's ephemeral key and, over them, those in `config`.

        Besides, an error event for each setting that is not supported.
        """
        opened = await self._sessions.open(request.query_params, by_track=True)
        complaints = () if opened.resumed else begin_as(opened.session, request.state.caller)
        if config is None:
            return opened, complaints
        try:
            return opened, (*complaints, *begin_with(opened.session, config))
        except Invalid as error:
            raise _Refused(400, error.code, error.message) from None

    async def _read_in_time(self, request: Request) -> tuple[str, str | None]:
        limit_s = self._sessions.limits.clients.request_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._read(request)
        except TimeoutError:
            raise _Refused(408, "request_timeout", f"The offer did not arrive within {limit_s:g} s.") from None

    async def _read(self, request: Request) -> tuple[str, str | None]:
        """The SDP offer, and the session's settings as JSON if the request has any."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/sdp":
            body = b"".join([chunk async for chunk in _bounded(request, _MAX_SDP_BYTES)])
            return _text(body), None
        if kind != "multipart/form-data":
            message = f"A call begins with application/sdp or multipart/form-data, not with '{kind[:80]}'."
            raise _Refused(415, "unsupported_media_type", message)
        parser = MultiPartParser(
            request.headers,
            _bounded(request, _MAX_FORM_BYTES),
            max_files=2,
            max_fields=8,
            max_part_size=_MAX_FORM_BYTES,
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


async def _bounded(request: Request, max_bytes: int) -> AsyncGenerator[bytes]:
    """The body in chunks. Raises `_Refused` if it is longer than `max_bytes`."""
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > max_bytes:
            raise _Refused(413, "request_too_large", f"The body of the request has more than {max_bytes} bytes.")
        yield chunk


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise _Refused(400, "invalid_offer", "The body of the request is not UTF-8 text.") from None


def _refusal(refusal: Refusal) -> Response:
    return JSONResponse(refusal.as_json(), refusal.status)
