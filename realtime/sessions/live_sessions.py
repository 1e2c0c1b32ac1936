"""The live sessions of one server, over any transport: how they open, how many there may be, and how they end."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from openai.types.realtime import RealtimeErrorEvent, RealtimeServerEvent

from audio.errors import first_error
from pipeline.answering.gate import Listener
from pipeline.commands import Command, SessionSettings
from pipeline.conversation.items import Item
from pipeline.runtime.fair_shares import FairShares
from pipeline.runtime.ids import new_id
from pipeline.runtime.workers import accounted
from realtime.limits.accounts import Accounts
from realtime.limits.client_limits import ClientLimits
from realtime.limits.load import Load
from realtime.limits.pace import Pace, PaceLimits
from realtime.limits.refusals import Refusals
from realtime.protocol.extensions import Extensions, ResumptionEvent
from realtime.protocol.item_codec import from_item
from realtime.protocol.parsing import ServerEvent, error_event
from realtime.protocol.session import Session
from realtime.protocol.session_config import Offer
from realtime.sessions.observer import Client, ObservedListener, Observer, QueueingListener, SessionWatch
from realtime.sessions.places import name_of, placed
from realtime.sessions.resumption import Resumption, Superseded
from realtime.sessions.state_store import MemoryStore, StateStore
from realtime.sessions.turn_watch import TurnWatch

log = logging.getLogger(__name__)


_RESUMED_ELSEWHERE = 4001
"""Close code of a connection whose session another one has resumed."""


class SessionAgent(Protocol):
    """The interface of an agent to its transport, for one conversation."""

    async def run(self) -> None:
        """Hold the conversation until cancelled."""
        ...

    async def do(self, command: Command) -> None:
        """Hand over a command; waits while the agent has too many."""
        ...

    def items(self) -> tuple[Item, ...]:
        """The conversation so far, from which another agent can continue it."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """The agents that a server offers."""

    offer: Callable[[], Offer]
    """The current offer. It changes when voices are loaded while the server runs."""
    models: Mapping[str, str]
    """Names of the models, by role."""
    open: Callable[[SessionSettings, Listener, Sequence[Item]], SessionAgent]
    """Opens an agent that continues a conversation of these items, and emits its events to the listener."""
    queues: Mapping[str, Callable[[], int]] = field(default_factory=dict)
    """Lengths of the queues in which the agents' work waits, by name."""
    upstreams: Mapping[str, str] = field(default_factory=dict)
    """URLs of the servers that the agents need, by the role of the model there."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Security limits on what the clients of one server may use."""

    max_sessions: int
    session_minutes: float
    max_event_bytes: int
    send_timeout_s: float
    """A client that takes no data for this long is disconnected."""
    resume_s: float = 60
    """Time for which a session without a connection can be resumed."""
    idle_s: float = 600
    """A WebSocket on which its client sends nothing for this long is closed."""
    clients: ClientLimits = field(default_factory=ClientLimits)
    """What each client may ask for."""
    pace: PaceLimits = field(default_factory=PaceLimits)
    """What each session may send, together with those of the same client that it follows."""
    loop_lag_s: float = 0.2
    """Median lag of the event loop, above which no further session is taken; 0: any."""
    first_packet_s: float = 0
    """Median time to the first audio of answers, above which no further session is taken; 0: any."""


class SessionEnd(Exception):
    """Ends a session. Carries the WebSocket close code (None: the client is gone) and the last event to send."""

    def __init__(self, code: int | None, event: RealtimeServerEvent | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.event = event

    @property
    def reason(self) -> str:
        """Code of the last event, where there is one."""
        if isinstance(self.event, RealtimeErrorEvent):
            return self.event.error.code or "error"
        return "client_left" if self.code is None else "server_stopped"


RESTARTING = "server_restarting"
"""Code of the error that announces that a server stops: a client that connects again reaches its successor."""

_STEP_S = 0.1
"""Interval at which a server that drains looks whether a turn has ended."""

TransportWork = Callable[[SessionAgent, Pace], Iterable[Coroutine[Any, Any, None]]]
"""The transport's work for an agent, at its client's pace: coroutines that run for as long as the session does."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session on a new connection, with what was kept of it if it is resumed."""

    session: Session
    resumption: Resumption | None
    """None: the client did not ask to resume it later."""
    place: str
    """The replica that holds it."""

    @property
    def items(self) -> Sequence[Item]:
        """The conversation that it continues."""
        return self.resumption.state.items if self.resumption is not None and self.resumption.state is not None else ()

    @property
    def resumed(self) -> bool:
        """Whether it continues one that was there before, with its settings."""
        return self.resumption is not None and self.resumption.state is not None

    def greeting(self) -> list[ServerEvent]:
        """The events with which the session begins."""
        events = [*self.session.open()]
        if (resumption := self.resumption) is not None:
            event = ResumptionEvent(
                type="antiphon.resumption",
                event_id=new_id("event"),
                token=placed(resumption.secret, self.place),
                expires_after_s=resumption.lasts_s,
                resumed=resumption.state is not None,
                items=[from_item(item) for item in self.items],
            )
            events.append(event)
        return events


@dataclass(frozen=True, slots=True)
class _Connection:
    """A connection of a session that can be resumed on another one, also while this one seems to live."""

    resumed_elsewhere: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its last state is saved."""


class Sessions:
    """The sessions of one server, which it counts and limits."""

    def __init__(
        self,
        service: Service,
        limits: Limits,
        refusals: Refusals,
        store: StateStore | None = None,
        place: str = "",
    ) -> None:
        """`store`: keeps sessions that can be resumed; None: the memory of this process.

        `place`: the name of this replica, by which clients that come back are routed to it; "": there is no other.
        """
        self.limits = limits
        self.place = place
        self.load = Load(limits.loop_lag_s, limits.first_packet_s)
        """What was measured of late."""
        self.observers: list[Observer] = [self.load]
        """Those that see what happens in the sessions."""
        self._refusals = refusals
        self._listeners: set[QueueingListener] = set()
        self._service = service
        self._store = store or MemoryStore()
        cores = FairShares(os.cpu_count() or 1)
        self._accounts = Accounts(lambda: Pace(limits.pace, limits.max_event_bytes, monotonic(), cores))
        self._connections: dict[str, _Connection] = {}
        """By secret, those of sessions that can be resumed."""
        self._count = 0
        self._leaving = asyncio.Event()
        """Set when sessions are to end as soon as their turns have."""
        self._closing = asyncio.Event()
        """Set when they are to end at once."""
        self._drained = False
        self._all_ended = asyncio.Event()
        self._all_ended.set()

    def __len__(self) -> int:
        return self._count

    @property
    def unsent(self) -> int:
        """Events that wait for their clients to take them."""
        return sum(len(listener) for listener in self._listeners)

    @property
    def draining(self) -> bool:
        """Whether the server stops: no further session opens."""
        return self._leaving.is_set()

    async def vacant(self) -> None:
        """Wait until no session is left."""
        await self._all_ended.wait()

    async def drain(self, seconds: float) -> None:
        """Refuse new sessions, and end each when its turn is over, or after `seconds`; returns when all have ended."""
        self._drained = True
        self._leaving.set()
        try:
            async with asyncio.timeout(seconds):
                await self._all_ended.wait()
        except TimeoutError:
            await self.close()

    async def close(self) -> None:
        """End every session, and each that opens from now on; returns when all have ended."""
        self._closing.set()
        self._leaving.set()
        await self._all_ended.wait()

    def refuse(self, query: Mapping[str, str]) -> RealtimeErrorEvent | None:
        """Error event to refuse one more session with; None if there is room, or one here that it resumes."""
        if self.draining:
            self._refusals.note(RESTARTING)
            return _restarting()
        if name_of(query.get("resume", "")) in self._connections:
            return None
        code, message = (
            "session_limit_reached",
            f"This server holds at most {self.limits.max_sessions} sessions at once.",
        )
        if self._count < self.limits.max_sessions:
            busy = self.load.overload() if self._count else None
            if busy is None:
                return None
            code, message = "server_overloaded", busy
        self._refusals.note(code)
        return error_event(code, f"{message} Try again later.", kind="server_error")

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Count one session while the context lasts."""
        self._count += 1
        self._all_ended.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._all_ended.set()

    async def open(self, query: Mapping[str, str], *, by_track: bool = False) -> OpenSession:
        """A session with the model and extensions that the query of its URL names, resumed if the query says so.

        A connection here that the session still has is ended first: its client has opened another one.
        """
        resumption = None
        if asked := query.get("resume"):
            secret = name_of(asked)
            if (other := self._connections.get(secret)) is not None:
                other.resumed_elsewhere.set()
                await other.left.wait()
            resumption = await Resumption.begin(self._store, secret, self.limits.resume_s)
        session = Session(
            self._service.offer(),
            query.get("model") or "antiphon",
            max_event_bytes=self.limits.max_event_bytes,
            extensions=Extensions.of(query),
            by_track=by_track,
            state=None if resumption is None else resumption.state,
        )
        return OpenSession(session, resumption, self.place)

    def watch(self, client: Client) -> SessionWatch:
        """The observers of one session, with which `hold` holds it."""
        return SessionWatch(self.observers, client)

    async def hold(
        self, opened: OpenSession, listener: QueueingListener, carry: TransportWork, watch: SessionWatch
    ) -> SessionEnd:
        """Hold the session's conversation until something raises `SessionEnd`, which is returned. Never raises."""
        session, resumption = opened.session, opened.resumption
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._listeners.add(listener)
        watch.began()
        end = SessionEnd(None)
        try:
            turn = TurnWatch(session.settings.output_rate)
            watches = [watch.saw, lambda event: turn.note(event, loop.time())]
            watches += [resumption.note] if resumption is not None else []
            observed = ObservedListener(listener, *watches)
            agent = self._service.open(session.settings, observed, opened.items)
            with (
                self._accounts.of(watch.payer) as account,
                accounted(account),
            ):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(agent.run(), name=f"{session.id} agent")
                    tasks.create_task(self._until_over(turn), name=f"{session.id} end")
                    if resumption is not None:
                        tasks.create_task(self._keep(session, agent, resumption), name=f"{session.id} state")
                    for work in carry(agent, account.pace):
                        tasks.create_task(work, name=f"{session.id} transport")
        except* SessionEnd as ends:
            first = first_error(ends)
            assert isinstance(first, SessionEnd)
            end = first
        except* Exception:
            log.exception("session %s failed", session.id)
            message = "The server had an error and ends this session."
            end = SessionEnd(1011, error_event("internal_error", message, kind="server_error"))
        finally:
            self._listeners.discard(listener)
            watch.ended(end.reason, loop.time() - begun)
        return end

    async def _keep(self, session: Session, agent: SessionAgent, resumption: Resumption) -> None:
        """Keep the session's state for other connections, until one of them resumes it, here or elsewhere."""
        connection = self._connections[resumption.secret] = _Connection()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(resumption.keep(lambda: session.state(agent.items())))
                await connection.resumed_elsewhere.wait()
                raise Superseded
        except* Superseded:
            message = "The session was resumed on another connection."
            raise SessionEnd(_RESUMED_ELSEWHERE, error_event("session_resumed_elsewhere", message)) from None
        finally:
            await resumption.leave(session.state(agent.items()))
            del self._connections[resumption.secret]
            connection.left.set()

    async def _until_over(self, turn: TurnWatch) -> None:
        minutes = self.limits.session_minutes
        try:
            async with asyncio.timeout(minutes * 60):
                await self._leaving.wait()
        except TimeoutError:
            message = f"Your session hit the maximum duration of {minutes:g} minutes."
            raise SessionEnd(1000, error_event("session_expired", message)) from None
        loop = asyncio.get_running_loop()
        while not self._closing.is_set() and turn.is_under_way(loop.time()):
            with suppress(TimeoutError):
                async with asyncio.timeout(_STEP_S):
                    await self._closing.wait()
        raise SessionEnd(1012, _restarting()) if self._drained else SessionEnd(1001)


def _restarting() -> RealtimeErrorEvent:
    message = "This server is shutting down. Connect again: its successor or another server answers."
    return error_event(RESTARTING, message, kind="server_error")
