"""The sessions of one server, whichever way they come in: what stands behind them, how many, and when they end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from openai.types.realtime import RealtimeErrorEvent, RealtimeServerEvent

from pipeline.commands import Command, SessionSettings
from pipeline.gate import Listener
from realtime.describe import Offer
from realtime.extensions import Extensions
from realtime.session import Session
from realtime.wire import error_event

log = logging.getLogger(__name__)


class Conversing(Protocol):
    """An agent that holds one conversation."""

    async def run(self) -> None:
        """Hold it, until cancelled."""
        ...

    async def do(self, command: Command) -> None:
        """Hand over a command; waits while the agent is behind."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """What stands behind the wire."""

    offer: Callable[[], Offer]
    """As it is now: voices come to be at hand while it runs."""
    models: Mapping[str, str]
    """Names of the models by their role."""
    open: Callable[[SessionSettings, Listener], Conversing]


@dataclass(frozen=True, slots=True)
class Limits:
    """Security limits: how much the clients of one server may take."""

    max_sessions: int
    session_minutes: float
    max_event_bytes: int
    send_timeout_s: float
    """A client that takes nothing for so long is gone."""


class End(Exception):
    """Ends a session: the code that a WebSocket is closed with, and the last thing the client is told.

    No code: the client is gone.
    """

    def __init__(self, code: int | None, event: RealtimeServerEvent | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.event = event


Carry = Callable[[Conversing], Iterable[Coroutine[Any, Any, None]]]
"""What brings things to an agent and takes them from it, for as long as the session lasts."""


class Sessions:
    """All sessions of one server."""

    def __init__(self, service: Service, limits: Limits) -> None:
        self.limits = limits
        self._service = service
        self._count = 0
        self._closing = asyncio.Event()
        self._all_ended = asyncio.Event()
        self._all_ended.set()

    def __len__(self) -> int:
        return self._count

    async def close(self) -> None:
        """End every session, now and to come; returns when they have ended."""
        self._closing.set()
        await self._all_ended.wait()

    def refuse(self) -> RealtimeErrorEvent | None:
        """Why there can't be one more session just now."""
        if self._count < self.limits.max_sessions:
            return None
        message = f"This server holds at most {self.limits.max_sessions} sessions at once. Try again later."
        return error_event("session_limit_reached", message, kind="server_error")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count as a session."""
        self._count += 1
        self._all_ended.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._all_ended.set()

    def open(self, query: Mapping[str, str], *, by_track: bool = False) -> Session:
        """A session as the query of its address asks for."""
        return Session(
            self._service.offer(),
            query.get("model") or "antiphon",
            max_event_bytes=self.limits.max_event_bytes,
            extensions=Extensions.of(query),
            by_track=by_track,
        )

    async def hold(self, session: Session, listener: Listener, carry: Carry) -> End:
        """Hold the session's conversation until something raises `End`; that is returned."""
        end = End(None)
        try:
            agent = self._service.open(session.settings, listener)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(agent.run(), name=f"{session.id} agent")
                tasks.create_task(self._until_over(), name=f"{session.id} end")
                for work in carry(agent):
                    tasks.create_task(work, name=f"{session.id} transport")
        except* End as ends:
            end = _first(ends)
        except* Exception:
            log.exception("session %s failed", session.id)
            message = "The server had an error and ends this session."
            end = End(1011, error_event("internal_error", message, kind="server_error"))
        return end

    async def _until_over(self) -> None:
        minutes = self.limits.session_minutes
        try:
            async with asyncio.timeout(minutes * 60):
                await self._closing.wait()
        except TimeoutError:
            message = f"Your session hit the maximum duration of {minutes:g} minutes."
            raise End(1000, error_event("session_expired", message)) from None
        raise End(1001)


def _first(ends: BaseExceptionGroup[End]) -> End:
    end = ends.exceptions[0]
    return end if isinstance(end, End) else _first(end)
