"""What a server holds by the figures of its loads, and what an edge costs by the way of events."""

import asyncio

import pytest

from bench.corpus import Recording
from bench.scale import Edge, Load, Report, measure
from pipeline import events as on
from pipeline.commands import Command, RetrieveItem
from tests.support.realtime_server import ScriptedAgent, serving

GOOD = Load(users=2, turns=4, answered=4, voice_to_voice_p50_ms=900, voice_to_voice_p90_ms=1400)


class RefusingAgent(ScriptedAgent):
    """Refuses to retrieve items, as the agent does for an item that is not there."""

    async def act(self, command: Command) -> None:
        if isinstance(command, RetrieveItem):
            self.outlet.emit(on.Refused("item_retrieve_invalid_item_id", "no such item"))
        else:
            await super().act(command)


class SlowAgent(RefusingAgent):
    """The same behind an edge that takes 5 ms."""

    async def act(self, command: Command) -> None:
        await asyncio.sleep(0.005)
        await super().act(command)


@pytest.mark.parametrize(
    ("load", "in_time"),
    [
        (GOOD, True),
        (Load(2, 4, 3, 900, 1400), False),
        (Load(2, 4, 4, 900, 1600), False),
        (Load(2, 4, 0, None, None), False),
    ],
)
def test_a_load_is_held_if_everybody_is_answered_in_time(load: Load, in_time: bool) -> None:
    assert load.in_time == in_time


def test_a_server_holds_the_most_users_who_were_answered_in_time() -> None:
    assert Report([GOOD, Load(4, 8, 8, 900, 1450), Load(8, 16, 16, 900, 1501)], None).holds == 4
    assert Report([Load(1, 2, 0, None, None)], None).holds == 0
    assert Report([GOOD], Edge(3.5, 1.5)).as_data()["edge_cost_ms"] == 2.0


async def test_the_edge_is_compared_with_a_server_without_one() -> None:
    nothing: list[Recording] = []
    async with serving(SlowAgent) as through, serving(RefusingAgent) as direct:
        report = await measure(f"http://{through.address}", "", nothing, (), f"http://{direct.address}")
    assert report.edge is not None
    assert report.edge.cost_ms > 4
