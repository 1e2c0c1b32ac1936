"""How a server's sessions are watched: the log, the metrics and the traces each are an `Observer`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pipeline.answering.gate import Listener
from pipeline.events import Event
from pipeline.runtime.timeline import Timeline
from realtime.limits.shares import client_address


@dataclass(frozen=True, slots=True)
class Client:
    """The other end of a session."""

    session_id: str
    transport: Literal["websocket", "webrtc"]
    peer: str
    """Its address."""
    key: str
    """Name of its API key; empty where none is required."""


class Observer:
    """Sees what happens in the sessions of one server. Its methods return at once and never raise; these do nothing."""

    def began(self, client: Client) -> None:
        """The session is open."""

    def saw(self, client: Client, event: Event) -> None:
        """The agent reports `event`; it has not left yet."""

    def delivered(self, client: Client, timeline: Timeline) -> None:
        """The end of a response has left, after its first audio; `timeline` is that of its turn."""

    def ended(self, client: Client, reason: str, seconds: float) -> None:
        """`reason`: code of the error that ended the session, or "client_left" or "server_stopped"."""


class SessionWatch:
    """The observers of one session, as one."""

    def __init__(self, observers: Sequence[Observer], client: Client) -> None:
        self._observers = observers
        self._client = client

    @property
    def payer(self) -> str:
        """The client by which the work of the session is counted: its key, or the address that it came from."""
        return self._client.key or client_address(self._client.peer)

    def began(self) -> None:
        for observer in self._observers:
            observer.began(self._client)

    def saw(self, event: Event) -> None:
        for observer in self._observers:
            observer.saw(self._client, event)

    def delivered(self, timeline: Timeline) -> None:
        for observer in self._observers:
            observer.delivered(self._client, timeline)

    def ended(self, reason: str, seconds: float) -> None:
        for observer in self._observers:
            observer.ended(self._client, reason, seconds)


class QueueingListener(Listener, Protocol):
    """A listener that holds events until its client takes them."""

    def __len__(self) -> int:
        """Events that wait."""
        ...


class ObservedListener:
    """Passes everything to `listener`, and each event to the watches first."""

    def __init__(self, listener: Listener, *watches: "Watch") -> None:
        self._listener = listener
        self._watches = watches

    @property
    def follows(self) -> bool:
        return self._listener.follows

    def played(self, response_id: str) -> int | None:
        return self._listener.played(response_id)

    def emit(self, event: Event) -> None:
        for watch in self._watches:
            watch(event)
        self._listener.emit(event)

    async def ready(self) -> None:
        await self._listener.ready()


class Watch(Protocol):
    def __call__(self, event: Event) -> None: ...
