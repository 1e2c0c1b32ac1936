"""What conversations cost, from ten to a million: `python -m bench.cost_law` prints the table of docs/scaling.md.

Each size is the measured cost of one conversation times their number; where a part has a limit, it says how many are
needed. Pure arithmetic.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs and limits of the parts; docs/scaling.md says which are measured, and how."""

    conversations_a_core: float
    """That are answered in time."""
    replica_cores: int
    replica_gib: float
    """Memory of one replica with its models and the conversations that its cores hold."""
    edge_cores: float
    """Cores of Serve's proxies that one conversation takes."""
    edge_limit: float
    """Share of its one core that a proxy may use, so that events do not queue."""
    up_mbit: float
    down_mbit: float
    """Mbit/s of one conversation over a WebSocket, while it speaks in that direction."""
    speaking: float
    """Share of the time in which the agent speaks; the microphone always sends."""
    saves_a_second: float
    """States that one conversation writes to Redis."""
    redis_saves: float
    """States a second that one Redis server takes."""


TINY = Costs(
    conversations_a_core=2,
    replica_cores=2,
    replica_gib=1.28,
    edge_cores=0.012,
    edge_limit=0.5,
    up_mbit=0.52,
    down_mbit=0.52,
    speaking=0.35,
    saves_a_second=0.5,
    redis_saves=17_000,
)
"""The profile tiny, pcm16 over WebSockets."""


@dataclass(frozen=True, slots=True)
class Size:
    """What so many conversations take."""

    conversations: int
    agent_cores: int
    replicas: int
    agent_gib: int
    proxies: int
    gbit: float
    """Gbit/s through the proxies."""
    saves: int
    redis_servers: int


def size(conversations: int, costs: Costs = TINY) -> Size:
    """The parts that so many conversations need."""
    cores = math.ceil(conversations / costs.conversations_a_core)
    replicas = math.ceil(cores / costs.replica_cores)
    mbit = conversations * (costs.up_mbit + costs.speaking * costs.down_mbit)
    saves = conversations * costs.saves_a_second
    return Size(
        conversations=conversations,
        agent_cores=cores,
        replicas=replicas,
        agent_gib=math.ceil(replicas * costs.replica_gib),
        proxies=math.ceil(conversations * costs.edge_cores / costs.edge_limit),
        gbit=mbit / 1000,
        saves=math.ceil(saves),
        redis_servers=math.ceil(saves / costs.redis_saves),
    )


def table(costs: Costs = TINY) -> Iterator[str]:
    """The lines of the table, as Markdown."""
    head = "conversations | agent cores | replicas | their memory | proxies | through them | saves/s | Redis servers"
    yield f"| {head} |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    for count in SIZES:
        needed = size(count, costs)
        yield (
            f"| {count:,} | {needed.agent_cores:,} | {needed.replicas:,} | {needed.agent_gib:,} GiB "
            f"| {needed.proxies:,} | {needed.gbit:,.2f} Gbit/s | {needed.saves:,} | {needed.redis_servers:,} |"
        )


if __name__ == "__main__":
    print("\n".join(table()))  # noqa: T201 - a program's output
