"""Virtual users who speak recordings in real time: how many are answered in time, and what an edge costs.

The edge is what lies between a client and the agents: Ray Serve's proxy. Its cost is measured in pairs, on the cluster
and on a server without one, in one run.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from openai.types.realtime import ConversationItemRetrieveEvent, RealtimeErrorEvent
from rich.console import Group, RenderableType
from rich.table import Table

from bench.conversations import latency
from bench.corpus import Recording
from bench.report import BAD, GOOD, number, percentile
from realtime.terminal.client import Connection, connect

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IN_TIME_MS = 1500
"""An answer that nine of ten turns have by then is in time."""
_EVENTS = 200
"""Events whose way there and back is measured, through the edge and without it in turn."""


@dataclass(frozen=True, slots=True)
class Load:
    """What so many users at once were given."""

    users: int
    turns: int
    answered: int
    voice_to_voice_p50_ms: float | None
    voice_to_voice_p90_ms: float | None

    @property
    def in_time(self) -> bool:
        """Whether every turn was answered, and nine of ten in time."""
        slow = self.voice_to_voice_p90_ms
        return self.answered == self.turns and slow is not None and slow <= IN_TIME_MS


@dataclass(frozen=True, slots=True)
class Edge:
    """The time that events take there and back, in milliseconds."""

    with_edge_p50_ms: float
    without_p50_ms: float

    @property
    def cost_ms(self) -> float:
        """What the edge adds to the first packet: the way of the last sample there, and of the packet back."""
        return self.with_edge_p50_ms - self.without_p50_ms


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured of one server or cluster."""

    loads: list[Load]
    edge: Edge | None
    """None: there was no server to compare with."""

    @property
    def holds(self) -> int:
        """The most users at once who were all answered in time; 0: not even the fewest."""
        return max((load.users for load in self.loads if load.in_time), default=0)

    def as_data(self) -> Mapping[str, object]:
        cost = {} if self.edge is None else {"edge_cost_ms": self.edge.cost_ms}
        return {**asdict(self), "holds": self.holds, **cost}

    def as_table(self) -> RenderableType:
        table = Table("users", "answered", "voice to voice p50", "p90", "in time", box=None, pad_edge=False)
        for load in self.loads:
            p50, p90 = number(load.voice_to_voice_p50_ms), number(load.voice_to_voice_p90_ms)
            answered = f"{load.answered} of {load.turns}"
            table.add_row(str(load.users), answered, f"{p50} ms", f"{p90} ms", "yes" if load.in_time else "no")
        if self.edge is None:
            return table
        edge = (
            f"an event there and back: {self.edge.with_edge_p50_ms:.1f} ms, {self.edge.without_p50_ms:.1f} ms without"
        )
        return Group(table, f"{edge} the edge, which costs {self.edge.cost_ms:.1f} ms")

    def draw(self, figure: "Figure") -> None:
        axes = figure.subplots()
        for load in self.loads:
            if load.voice_to_voice_p90_ms is not None:
                axes.plot(load.users, load.voice_to_voice_p90_ms, "o", color=GOOD if load.in_time else BAD)
        axes.set_xlabel("users at once")
        axes.set_ylabel("voice to voice p90, ms")


async def measure(
    url: str,
    api_key: str,
    corpus: Sequence[Recording],
    users: Sequence[int],
    without_edge: str | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Have each number of `users` at once speak `corpus`; each user speaks every recording once, in real time.

    `without_edge`: a server of the same agents that clients reach directly. Raises `PlainError`.
    """
    edge = None if without_edge is None else await _edge(url, without_edge, api_key)
    loads = []
    for count in users:
        report = await latency.measure(url, api_key, corpus, conversations=count, repeats=count, progress=progress)
        times = report.voice_to_voice
        loads.append(Load(count, len(report.turns), len(times), percentile(times, 50), percentile(times, 90)))
    return Report(loads, edge)


async def _edge(url: str, without_edge: str, api_key: str) -> Edge:
    async with connect(url, api_key) as through, connect(without_edge, api_key) as direct:
        times_ms: dict[Connection, list[float]] = {through: [], direct: []}
        for _ in range(_EVENTS):
            for connection, took in times_ms.items():
                took.append(await _there_and_back_ms(connection))
                await asyncio.sleep(0)
    return Edge(median(times_ms[through]), median(times_ms[direct]))


async def _there_and_back_ms(connection: Connection) -> float:
    """How long an event takes to the agent, which answers at once, and back."""
    began = perf_counter()
    await connection.send(ConversationItemRetrieveEvent(type="conversation.item.retrieve", item_id="none"))
    while not isinstance(await connection.receive(), RealtimeErrorEvent):
        pass
    return (perf_counter() - began) * 1000
