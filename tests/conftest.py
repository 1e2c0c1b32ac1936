"""Async tests run in a loop of their own, and fail if they leave a task behind."""

import asyncio
import inspect
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is a matter of what else the machine does. CI tries the same examples each time.
settings.register_profile(
    "antiphon", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("antiphon")

# Started in the background of a script, a process ignores Ctrl-C, and so do those that it starts: tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
