"""@openai/agents-realtime in Node, over a WebSocket."""

from collections.abc import Callable

import pytest

from tests.clients.walks import PROGRAMS, STEPS, Walk, environment


@pytest.fixture(scope="module")
def walked(take: Callable[[list[str]], Walk]) -> Walk:
    return take(["node", str(PROGRAMS / "agents_node.mjs"), "--modules", str(environment("node"))])


@pytest.mark.parametrize("step", STEPS)
def test_the_client_takes_every_step(walked: Walk, step: str) -> None:
    walked.check(step)
