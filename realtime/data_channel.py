"""The data channel that carries a call's events: text both ways, bounded both ways."""

import asyncio
from collections import deque

from aiortc import InvalidStateError, RTCDataChannel

from realtime.wire import error_event, serialize

LABEL = "oai-events"

_MOST_UNREAD = 4 * 1024 * 1024
"""Bytes. SCTP can't be told to wait: a client that sends so much more than is read is cut off."""
_MOST_UNSENT = 256 * 1024
"""Bytes that wait inside the channel; with more, the next event waits outside."""


class Closed(Exception):
    """The client has closed the channel, or overfilled it."""


class DataChannel:
    """One for a call, whether the client ever opens it or not."""

    def __init__(self) -> None:
        self.expected = True
        """Whether the client is going to open it. Events for a channel that never opens are lost."""
        self._opened = asyncio.Event()
        self._channel: RTCDataChannel | None = None
        self._unread: deque[str | bytes] = deque()
        self._unread_bytes = 0
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._closed = asyncio.Event()

    def attach(self, channel: RTCDataChannel) -> None:
        """The client has opened a channel. Only one carries the events; others are left alone."""
        if channel.label != LABEL or self._channel is not None:
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = _MOST_UNSENT // 2
        channel.on("message", self._take)
        channel.on("bufferedamountlow", self._drained.set)
        channel.on("close", self._end)
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """Whether the client has ever opened it."""
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
        """Send an event; waits for the channel to open, and while too much is unsent. Raises `Closed`."""
        if self.expected:
            await self.wait_open()
        if (channel := self._channel) is None:
            return
        while channel.bufferedAmount > _MOST_UNSENT and not self._closed.is_set():
            self._drained.clear()
            await self._drained.wait()
        try:
            channel.send(text)
        except InvalidStateError:
            raise Closed from None
        except ValueError as error:  # longer than the client says that it can take
            channel.send(serialize(error_event("event_too_large", f"An event is left out: {error}.")))

    async def close(self) -> None:
        """Close it behind what was sent; returns when the client has all of it."""
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.close()
            await self._closed.wait()

    def _take(self, message: str | bytes) -> None:
        if self._closed.is_set():
            return
        self._unread.append(message)
        self._unread_bytes += len(message)
        self._arrived.set()
        if self._unread_bytes > _MOST_UNREAD:
            self._unread.clear()
            self._end()

    def _end(self) -> None:
        self._closed.set()
        self._arrived.set()
        self._drained.set()
