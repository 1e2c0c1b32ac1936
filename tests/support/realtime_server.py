"""A real server whose agents are stand-ins, on a loopback port of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from redis.asyncio import Redis
from starlette.applications import Starlette
from websockets.asyncio.client import connect

from pipeline import events as on
from pipeline.answering.gate import Listener
from pipeline.commands import AddItem, Command, Respond, ServerVad, SessionSettings, Silence, Update
from pipeline.conversation.items import Item, Message
from pipeline.runtime.timeline import Timeline
from realtime.access.certificate import Certificate
from realtime.app import Server, create_app
from realtime.protocol.session_config import Offer
from realtime.sessions.guard import Guard
from realtime.sessions.live_sessions import Limits, Service
from realtime.sessions.observer import Observer
from realtime.sessions.state_store import StateStore

SETTINGS = SessionSettings(
    instructions="Be kind.",
    tools=(),
    tool_choice="auto",
    modality="audio",
    voice="joe",
    output_rate=24_000,
    max_output_tokens=None,
    turn_detection=ServerVad(0.5, 0.3, 0.5),
    transcribe=True,
)


class ScriptedAgent:
    """Stands in for the agent: confirms settings and items, answers "Hi." with two samples of sound."""

    def __init__(self, settings: SessionSettings, outlet: Listener) -> None:
        self.first_settings = settings
        self.outlet = outlet
        self.inbox: asyncio.Queue[Command] = asyncio.Queue(maxsize=4)
        self.seen: list[Command] = []
        self.silence = asyncio.Event()
        self.asked = asyncio.Event()
        """Set when it was given anything but silence."""
        self.ended = asyncio.Event()
        self.conversation: list[Item] = []
        """What it can be continued from."""

    async def do(self, command: Command) -> None:
        await self.inbox.put(command)

    def items(self) -> tuple[Item, ...]:
        return tuple(self.conversation)

    async def run(self) -> None:
        try:
            while True:
                command = await self.inbox.get()
                self.seen.append(command)
                if not isinstance(command, Silence):
                    self.asked.set()
                await self.act(command)
        finally:
            self.ended.set()

    async def act(self, command: Command) -> None:
        match command:
            case Update():
                self.outlet.emit(on.Updated(command.settings, command.token))
            case AddItem():
                self.conversation.append(command.item)
                self.outlet.emit(on.ItemAdded(command.item, None))
                self.outlet.emit(on.ItemDone(command.item, None))
            case Silence():
                self.silence.set()
            case Respond():
                await self.answer(command)

    async def answer(self, command: Respond) -> None:
        timeline = Timeline()
        timeline.stamp("turn_decided")
        said = Message("item_1", "assistant", "Hi.", spoken=True)
        self.outlet.emit(on.ResponseStarted("resp_1", "audio", "joe", None, True, command.metadata))
        self.outlet.emit(on.OutputAdded("resp_1", 0, Message("item_1", "assistant", "", True, "in_progress")))
        self.outlet.emit(on.OutputAudio("resp_1", 0, "item_1", np.zeros(2, np.float32), timeline))
        self.outlet.emit(on.OutputText("resp_1", 0, "item_1", "Hi."))
        self.conversation.append(said)
        self.outlet.emit(on.OutputDone("resp_1", 0, said))
        self.outlet.emit(
            on.ResponseDone("resp_1", "completed", None, None, (said,), on.Usage(), timeline, command.metadata)
        )


class FailingAgent(ScriptedAgent):
    async def answer(self, command: Respond) -> None:
        raise RuntimeError("this is on purpose")


class Running:
    """A server on a port of its own, and the agents that it opened."""

    def __init__(self, app: Starlette, server: Server, agents: list[ScriptedAgent], serves: asyncio.Task[None]) -> None:
        self.serves = serves
        """Done when the server has stopped."""
        self.app = app
        self.server = server
        self.agents = agents
        [listening] = server.servers
        self.address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"

    async def vacant(self) -> None:
        """Wait until no session is left."""
        while len(self.app.state.sessions):
            await asyncio.sleep(0)

    def connect(self, query: str = "", **options: Any) -> connect:  # noqa: ANN401
        return connect(f"ws://{self.address}/v1/realtime{query}", proxy=None, **options)


@asynccontextmanager
async def serving(
    agent: Callable[[SessionSettings, Listener], ScriptedAgent] = ScriptedAgent,
    guard: Guard | None = None,
    drain_s: float = 0,
    upstreams: Mapping[str, str] | None = None,
    observers: Sequence[Observer] = (),
    certificate: Certificate | None = None,
    trusted_proxies: Sequence[str] = (),
    store: StateStore | None = None,
    redis: Redis | None = None,
    **limits: Any,  # noqa: ANN401
) -> AsyncIterator[Running]:
    agents: list[ScriptedAgent] = []

    def open_agent(settings: SessionSettings, outlet: Listener, items: Sequence[Item]) -> ScriptedAgent:
        agents.append(agent(settings, outlet))
        agents[-1].conversation.extend(items)
        return agents[-1]

    bounds = Limits(
        **{"max_sessions": 2, "session_minutes": 1, "max_event_bytes": 10_000, "send_timeout_s": 5} | limits
    )
    offer = Offer(SETTINGS, ("joe",), "whisper-tiny.en", "en")
    service = Service(
        lambda: offer, {"decoder": "scripted"}, open_agent, upstreams={} if upstreams is None else upstreams
    )
    app = create_app(service, guard or Guard("127.0.0.1"), bounds, observers=observers, store=store, redis=redis)
    server = Server(
        app, "127.0.0.1", 0, bounds, drain_s=drain_s, certificate=certificate, trusted_proxies=trusted_proxies
    )
    task = asyncio.create_task(server.serve())
    await server.answers.wait()
    try:
        yield Running(app, server, agents, task)
    finally:
        server.should_exit = True
        await task
