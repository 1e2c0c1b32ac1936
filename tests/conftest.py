"""Async tests run in a loop of their own and fail if they leave a task behind; heavy tests bear a mark."""

import asyncio
import inspect
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is a matter of what else the machine does. CI tries the same examples each time.
settings.register_profile(
    "antiphon", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("antiphon")

# The agents that tests start in processes of their own, and the settings that they load: the words rarely matter.
os.environ["ANTIPHON_PROFILE"] = "tiny"
# Where the machine is slow, an answer would begin with the announcement that it takes long.
os.environ["ANTIPHON_STOPGAPS__MODEL_S"] = "0"

# A server that a test starts must not ask for the developer's own keys, nor write among what belongs to their server.
_home = TemporaryDirectory(prefix="antiphon-tests-")
os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = _home.name

# Started in the background of a script, a process ignores Ctrl-C, and so do those that it starts: tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

HEAVY = (
    "bench/answers/test_tasks.py",
    "bench/conversations/test_interrupted_thought.py",
    "bench/gpu",
    "bench/test_commands.py",
    "bench/test_report.py",
    "browser",
    "clients",
    "cluster",
    "container",
    "deploy",
    "examples",
    "pipeline/decoders/chat/test_audio_parts.py",
    "pipeline/decoders/torch_models",
    "pipeline/encoders/embedding",
    "pipeline/encoders/test_kv_cache.py",
    "pipeline/thinking/test_two_streams.py",
    "pipeline/weights",
    "sound",
    "test_setup.py",
    "test_wheel.py",
    "training/served",
    "tts/engines/test_coqui.py",
    "tts/engines/test_pocket.py",
)
"""Tests that need weights, a browser, a sound server or another process, draw pictures, or compute with PyTorch."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    heavy = [Path(__file__).parent / path for path in HEAVY]
    for item in items:
        if any(item.path.is_relative_to(path) for path in heavy):
            item.add_marker("heavy")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}

    async def test() -> None:
        await pyfuncitem.obj(**arguments)
        for _ in range(20):
            await asyncio.sleep(0)  # generators of other packages that were left half read are closed by the loop
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"the test left tasks behind: {left}"

    asyncio.run(test())
    return True
