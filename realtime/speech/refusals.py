"""Requests for speech that are refused, and their bodies, which are bounded."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from realtime.sessions.guard import Refusal

T = TypeVar("T")


class Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Outcome:
    """`response` is the refusal, where there is one."""

    response: Response


@asynccontextmanager
async def refusing() -> AsyncIterator[Outcome]:
    """Turns a `Refused` from inside into the outcome's response."""
    outcome = Outcome()
    try:
        yield outcome
    except Refused as refused:
        outcome.response = JSONResponse(refused.refusal.as_json(), refused.refusal.status)


async def body_of(request: Request, most: int) -> bytes:
    """Raises `Refused` for more than `most` bytes, as soon as they have come."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refused(Refusal(413, "request_too_large", f"The body of the request has more than {most} bytes."))
    return bytes(body)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, for a request whose body was read. Raises `ClientDisconnect` when its client hangs up."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait((working, leaving))


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
