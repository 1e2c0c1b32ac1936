"""The table of docs/scaling.md is what the arithmetic gives."""

from pathlib import Path

from bench.cost_law import TINY, size, table

SCALING = Path(__file__).parents[2] / "docs" / "scaling.md"


def test_the_document_has_the_table_that_the_arithmetic_gives() -> None:
    assert "\n".join(table()) in SCALING.read_text(encoding="utf-8")


def test_every_part_is_enough_and_none_is_too_many() -> None:
    needed = size(1_000)
    assert needed.agent_cores * TINY.conversations_a_core >= 1_000
    assert (needed.replicas - 1) * TINY.replica_cores < needed.agent_cores <= needed.replicas * TINY.replica_cores
    assert needed.proxies * TINY.edge_limit >= 1_000 * TINY.edge_cores > (needed.proxies - 1) * TINY.edge_limit


def test_one_conversation_takes_one_of_each() -> None:
    needed = size(1)
    assert (needed.agent_cores, needed.replicas, needed.proxies, needed.redis_servers) == (1, 1, 1, 1)
