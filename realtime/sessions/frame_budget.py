"""A budget of small WebSocket frames for each connection. Frames cost time, however few bytes they carry."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

log = logging.getLogger(__name__)

SMALL_BYTES = 256
"""A frame with a shorter payload counts. One of audio is longer from 10 ms of µ-law on, in base64 and JSON."""
BURST = 4_000
"""Small frames that may arrive at once: reading them takes about as long as the loop may be held."""
PER_SECOND = 1_000
"""Small frames a second that are taken for ever, ten times as many as a client sends that cuts audio into 10 ms."""
LOST = "antiphon.lost"
"""Entry of the scope's state: an `asyncio.Event`, set when the connection has ended, however much of it is unread."""
_SLICE_BYTES = 8 * 1024
"""Bytes that are parsed before the budget is looked at: at most 1,400 frames."""


class FrameBudget:
    """A token bucket for small frames. Pure: callers pass the time, in seconds."""

    def __init__(self, now: float) -> None:
        self._left = float(BURST)
        self._at = now

    def take(self, frames: int, now: float) -> bool:
        """Take `frames` small frames out of the budget; whether it held as many."""
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND) - frames
        self._at = now
        return self._left >= 0


class BudgetedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, closed with 1008 when its client floods it with empty frames, fragments or pings."""

    ended: Callable[[], None] | None = None
    """Called when the connection has ended; set by the HTTP connection that it was before."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as uvicorn passes them on
        super().__init__(*arguments, **options)
        self._budget = FrameBudget(self.loop.time())
        self._small = 0
        self._ended_by_us = False
        self._lost = asyncio.Event()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        self.scope["state"][LOST] = self._lost

    async def send(self, message: ASGISendEvent) -> None:
        """What is sent after the protocol ended the connection, for a client's mistake or its silence, finds nobody.

        uvicorn takes that for a mistake of the application.
        """
        try:
            await super().send(message)
        except RuntimeError:
            if self._ended_by_us or not self.close_sent:
                raise
            raise ClientDisconnected from None
        self._ended_by_us = self._ended_by_us or (message["type"] != "websocket.send" and self.close_sent)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost.set()
        if self.ended is not None:
            self.ended()

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE_BYTES):
            super().data_received(data[start : start + _SLICE_BYTES])
            if self.transport.is_closing():
                return
            if not self._budget.take(self._small, self.loop.time()):
                self._end()
                return
            self._small = 0

    def handle_events(self) -> None:
        events = self.conn.events_received()
        self._small += sum(isinstance(event, Frame) and len(event.data) < SMALL_BYTES for event in events)
        # uvicorn's own takes them from the connection, which hands out each only once.
        self.conn.events = events
        super().handle_events()

    def _end(self) -> None:
        log.warning("a client sent more than %d small frames at once: its connection ends", BURST)
        self.conn.fail(CloseCode.POLICY_VIOLATION, "too many small frames")
        self.handle_parser_exception()
