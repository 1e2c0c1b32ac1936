"""The data channel that carries a call's events as text. It is bounded in both directions."""

import asyncio
from collections import deque

from aiortc import InvalidStateError, RTCDataChannel

from realtime.protocol.parsing import error_event, serialize

LABEL = "oai-events"

_MAX_UNREAD_BYTES = 4 * 1024 * 1024
"""A client with more than this unread is disconnected: aiortc's SCTP has no way to make it wait."""
_MAX_UNSENT_BYTES = 256 * 1024
"""With more than this in the channel's own buffer, the next event waits outside."""


class Closed(Exception):
    """The client has closed the channel or overfilled it."""


class DataChannel:
    """The event channel of one call. The client opens it, or never does."""

    def __init__(self) -> None:
        self._is_expected = True
        self._opened = asyncio.Event()
        self._channel: RTCDataChannel | None = None
        self._unread: deque[str | bytes] = deque()
        self._unread_bytes = 0
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._closed = asyncio.Event()

    def attach(self, channel: RTCDataChannel) -> None:
        """Use a channel that the client has opened, if it is the first with our label. Others are left alone."""
        if channel.label != LABEL or self._channel is not None:
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = _MAX_UNSENT_BYTES // 2
        channel.on("message", self._take)
        channel.on("bufferedamountlow", self._drained.set)
        channel.on("close", self._end)
        self._opened.set()

    def give_up(self) -> None:
        """Stop waiting for the client to open the channel: events that are sent before it does are dropped."""
        self._is_expected = False

    @property
    def is_open(self) -> bool:
        """Whether the client has ever opened the channel."""
        return self._opened.is_set()

    async def wait_open(self) -> None:
        await self._opened.wait()

    async def receive(self) -> str | bytes:
        """The next message. Raises `Closed`."""
        while not self._unread:
            if self._closed.is_set():
                raise Closed
            self._arrived.clear()
            await self._arrived.wait()
        message = self._unread.popleft()
        self._unread_bytes -= len(message)
        return message

    async def send(self, text: str) -> None:
        """Send an event, once the channel is open and has room. Raises `Closed`."""
        if self._is_expected:
            await self.wait_open()
        if (channel := self._channel) is None:
            return
        while channel.bufferedAmount > _MAX_UNSENT_BYTES and not self._closed.is_set():
            self._drained.clear()
            await self._drained.wait()
        try:
            channel.send(text)
        except InvalidStateError:
            raise Closed from None
        except ValueError as error:  # longer than the client's limit
            channel.send(serialize(error_event("event_too_large", f"An event is left out: {error}.")))

    async def close(self) -> None:
        """Close the channel after what was sent; returns when the client has received everything."""
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.close()
            await self._closed.wait()

    def _take(self, message: str | bytes) -> None:
        if self._closed.is_set():
            return
        self._unread.append(message)
        self._unread_bytes += len(message)
        self._arrived.set()
        if self._unread_bytes > _MAX_UNREAD_BYTES:
            self._unread.clear()
            self._end()

    def _end(self) -> None:
        self._closed.set()
        self._arrived.set()
        self._drained.set()
