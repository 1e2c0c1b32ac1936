"""openai-agents for Python: its realtime session."""

from collections.abc import Callable

import pytest

from tests.clients.walks import STEPS, Walk, python


@pytest.fixture(scope="module")
def walked(take: Callable[[list[str]], Walk]) -> Walk:
    return take(python("openai_agents"))


@pytest.mark.parametrize("step", STEPS)
def test_the_client_takes_every_step(walked: Walk, step: str) -> None:
    walked.check(step)
