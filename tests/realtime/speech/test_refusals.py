"""Work for a client ends with the client."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from realtime.speech.refusals import unless_gone


class Client:
    """A client that waits for its answer, or hangs up."""

    def __init__(self) -> None:
        self.hung_up = asyncio.Event()
        self.request = Request({"type": "http"}, self._receive)

    async def _receive(self) -> Message:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}


async def test_work_for_a_client_that_hangs_up_is_cancelled() -> None:
    client, ended = Client(), asyncio.Event()

    async def work() -> None:
        client.hung_up.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ClientDisconnect):
        await unless_gone(client.request, work())
    assert ended.is_set()


async def test_work_for_a_client_that_waits_is_finished() -> None:
    async def work() -> str:
        return "done"

    assert await unless_gone(Client().request, work()) == "done"


async def test_what_goes_wrong_with_the_work_is_raised() -> None:
    async def work() -> None:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        await unless_gone(Client().request, work())
