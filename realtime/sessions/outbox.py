"""Server events on their way to one client."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from openai.types.realtime import ResponseAudioDeltaEvent, ResponseDoneEvent

from pipeline.events import Event, OutputAudio, ResponseDone
from pipeline.runtime.timeline import Timeline
from realtime.protocol.parsing import ServerEvent, serialize
from realtime.protocol.session import Session

_AUDIO_BYTES = 128 * 1024
"""With more than this unsent, the agent waits before it produces more audio: about two seconds of pcm16."""
_WAITING_BYTES = 4 * 1024 * 1024
"""With more than this unsent, the client is not read either: it asks for more than it receives."""


class Outbox:
    """A bounded queue of server events for one client, in order; the `Listener` of a WebSocket session.

    Events are always accepted. Whoever causes them waits for room: the agent for `ready` before it produces more
    audio, the transport for `ready_for_requests` before it reads the client.
    """

    def __init__(self, session: Session, delivered: Callable[[Timeline], None] = lambda timeline: None) -> None:
        """`delivered` is called with a turn's timeline when the end of its response has left."""
        self._session = session
        self._delivered = delivered
        self._waiting: deque[_Parcel] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._room_for_audio = asyncio.Event()
        self._room_for_requests = asyncio.Event()
        self._count(0)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def follows(self) -> bool:
        return self._session.extensions.playback

    def played(self, response_id: str) -> int | None:
        """None: only the client knows."""
        return None

    def emit(self, event: Event) -> None:
        """Queue the server events that report `event`. Never blocks."""
        timeline = event.timeline if isinstance(event, OutputAudio | ResponseDone) else None
        for server_event in self._session.report(event):
            self.put(server_event, timeline)

    def put(self, event: ServerEvent, timeline: Timeline | None = None) -> None:
        """Queue one server event. `timeline`: that of the turn, with its audio and its end. Never blocks."""
        done = event if isinstance(event, ResponseDoneEvent) else None
        parcel = _Parcel(serialize(event), timeline, done, isinstance(event, ResponseAudioDeltaEvent))
        self._waiting.append(parcel)
        self._count(len(parcel.text))

    async def ready(self) -> None:
        """Wait until there is room for more audio."""
        await self._room_for_audio.wait()

    async def ready_for_requests(self) -> None:
        """Wait until the client has received enough of what it asked for to be read again."""
        await self._room_for_requests.wait()

    async def send(self, deliver: Callable[[str], Awaitable[None]], timeout_s: float) -> None:
        """Deliver the next event, as soon as there is one. Raises `TimeoutError` and whatever `deliver` raises."""
        await self._filled.wait()
        parcel = self._waiting.popleft()
        text, timeline = parcel.text, parcel.timeline
        self._count(-len(text))
        if parcel.done is not None and timeline is not None:
            text = serialize(self._session.seal(parcel.done, timeline))
        async with asyncio.timeout(timeout_s):
            await deliver(text)
        if parcel.is_audio and timeline is not None:
            timeline.stamp("first_packet")
        if parcel.done is not None and timeline is not None:
            self._delivered(timeline)

    def _count(self, change: int) -> None:
        self._bytes += change
        for event, holds in (
            (self._filled, bool(self._waiting)),
            (self._room_for_audio, self._bytes <= _AUDIO_BYTES),
            (self._room_for_requests, self._bytes <= _WAITING_BYTES),
        ):
            event.set() if holds else event.clear()


@dataclass(frozen=True, slots=True)
class _Parcel:
    """One serialized event, with what is needed when it leaves."""

    text: str
    timeline: Timeline | None
    """Timeline of the turn, with the audio and the end of its response."""
    done: ResponseDoneEvent | None
    """The end of a response, which gets the turn's time stamps as it leaves."""
    is_audio: bool
    """Whether it carries the answer's audio. (In a WebRTC call the audio does not come this way.)"""
