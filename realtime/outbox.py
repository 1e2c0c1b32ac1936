"""Server events on their way to one client."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from openai.types.realtime import ResponseAudioDeltaEvent, ResponseDoneEvent

from pipeline.events import Event, OutputAudio, ResponseDone
from pipeline.timeline import Timeline
from realtime.session import Session
from realtime.wire import ServerEvent, serialize

_AUDIO_BYTES = 128 * 1024
"""Text on its way to a client beyond which the agent waits with more audio: about two seconds of pcm16."""
_WAITING_BYTES = 4 * 1024 * 1024
"""Beyond this the client isn't read either: it asks for more than it takes."""


class Outbox:
    """Server events on their way to one client, in order.

    Bounded: the agent waits for `ready` before more audio, and the client is read when it `has_room`.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: deque[_Parcel] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._room_for_audio = asyncio.Event()
        self._room_for_more = asyncio.Event()
        self._count(0)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def follows(self) -> bool:
        return self._session.extensions.playback

    def played(self, response_id: str) -> int | None:
        return None  # only the client knows

    def emit(self, event: Event) -> None:
        """Tell the client what happened. Never blocks."""
        timeline = event.timeline if isinstance(event, OutputAudio | ResponseDone) else None
        for server_event in self._session.report(event):
            self.put(server_event, timeline)

    def put(self, event: ServerEvent, timeline: Timeline | None = None) -> None:
        done = event if isinstance(event, ResponseDoneEvent) else None
        parcel = _Parcel(serialize(event), timeline, done, isinstance(event, ResponseAudioDeltaEvent))
        self._waiting.append(parcel)
        self._count(len(parcel.text))

    async def ready(self) -> None:
        """Wait until there is room for more audio."""
        await self._room_for_audio.wait()

    async def has_room(self) -> None:
        """Wait until the client has taken enough of what it asked for."""
        await self._room_for_more.wait()

    async def send(self, deliver: Callable[[str], Awaitable[None]], timeout_s: float) -> None:
        """Deliver the next event. Raises `TimeoutError` if it isn't taken in time, and what `deliver` raises."""
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

    def _count(self, change: int) -> None:
        self._bytes += change
        for event, holds in (
            (self._filled, bool(self._waiting)),
            (self._room_for_audio, self._bytes <= _AUDIO_BYTES),
            (self._room_for_more, self._bytes <= _WAITING_BYTES),
        ):
            event.set() if holds else event.clear()


@dataclass(frozen=True, slots=True)
class _Parcel:
    text: str
    timeline: Timeline | None
    """Of the response, with its audio and its end."""
    done: ResponseDoneEvent | None
    """The end of a response: it gets the turn's time stamps when it leaves, the last is made just before."""
    is_audio: bool
    """Whether the answer's sound is in it, and doesn't go by another road."""
