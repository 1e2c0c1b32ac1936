"""Holds an answer back until the turn is decided."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from pipeline.events import Event, OutputAudio

HELD_S = 2.0
"""Audio that is made in advance. More would be wasted work if the person speaks on."""


class Outlet(Protocol):
    """Where the events of an answer go."""

    def emit(self, event: Event) -> None:
        """Pass `event` on, in order. Never blocks."""
        ...

    async def ready(self) -> None:
        """Wait until there is room for more audio."""
        ...


class Listener(Outlet, Protocol):
    """The transport that carries a conversation's events to its listener."""

    @property
    def follows(self) -> bool:
        """Whether the player at the other end does what `Playback` says."""
        ...

    def played(self, response_id: str) -> int | None:
        """Samples of an answer that were played; None: the transport can't tell, and the agent reckons by its clock."""
        ...


class Gate:
    """An outlet that keeps what comes until it is opened, and lets nothing through once it is shut."""

    def __init__(self, emit: Callable[[Event], None], outlet: Outlet, rate: int) -> None:
        """Events pass to `emit`; `outlet` says when there is room. `rate` is the audio's, in Hz."""
        self._emit = emit
        self._outlet = outlet
        self._most = round(HELD_S * rate)
        self._held: list[Event] = []
        self._held_samples = 0
        self._opened = asyncio.Event()
        self._is_shut = False

    def emit(self, event: Event) -> None:
        if self._is_shut:
            return
        if self._opened.is_set():
            self._emit(event)
            return
        self._held.append(event)
        if isinstance(event, OutputAudio):
            self._held_samples += len(event.pcm)

    async def ready(self) -> None:
        if self._held_samples >= self._most:
            await self._opened.wait()
        if self._opened.is_set():
            await self._outlet.ready()

    def open(self) -> None:
        """Let out what was kept, and from now on everything at once."""
        self._opened.set()
        held, self._held = self._held, []
        for event in held:
            self._emit(event)

    def shut(self) -> None:
        """Let nothing out any more, for good."""
        self._is_shut = True
        self._held.clear()
