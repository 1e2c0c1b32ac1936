import asyncio
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from functools import partial

import pytest

from pipeline.runtime.workers import Urgency, Workers, accounted


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(1)
    yield workers
    workers.close()


async def occupy(workers: Workers) -> tuple[threading.Event, "asyncio.Task[bool]"]:
    """Keep the only thread busy until the event is set."""
    release, started = threading.Event(), threading.Event()

    def work() -> bool:
        started.set()
        return release.wait()

    task = asyncio.create_task(workers.run(Urgency.LISTEN, work))
    await asyncio.to_thread(started.wait)
    return release, task


async def test_the_urgent_goes_first_and_equals_in_order(workers: Workers) -> None:
    release, busy = await occupy(workers)
    order: list[str] = []
    waiting = [
        asyncio.create_task(workers.run(urgency, partial(order.append, name)))
        for name, urgency in [
            ("listen", Urgency.LISTEN),
            ("speech", Urgency.SPEECH),
            ("first", Urgency.FIRST_SPEECH),
            ("speech again", Urgency.SPEECH),
            ("detect", Urgency.DETECT),
        ]
    ]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(busy, *waiting)
    assert order == ["detect", "first", "speech", "speech again", "listen"]


async def test_a_conversation_that_takes_all_there_is_comes_after_the_others() -> None:
    now, order = [0.0], list[str]()
    workers = Workers(1, clock=lambda: now[0])

    def take(seconds: float) -> None:
        now[0] += seconds

    async def converse(name: str, used_s: float, urgency: Urgency) -> None:
        with accounted(name):
            await workers.run(Urgency.LISTEN, partial(take, used_s))
            await used.wait()
            await again.wait()
            await workers.run(urgency, partial(order.append, name))

    used, again = asyncio.Barrier(4), asyncio.Event()
    try:
        talking = [
            asyncio.create_task(converse("greedy", 14, Urgency.DETECT)),
            asyncio.create_task(converse("modest", 1, Urgency.LISTEN)),
            asyncio.create_task(converse("urgent", 1, Urgency.TAIL)),
        ]
        await used.wait()
        release, busy = await occupy(workers)
        again.set()
        while workers.waiting < 3:
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(busy, *talking)
        assert order == ["urgent", "modest", "greedy"]
    finally:
        workers.close()


async def test_a_conversation_that_takes_more_than_its_share_leaves_the_last_thread_to_others() -> None:
    now, running, release = [0.0], set[str](), threading.Event()
    workers = Workers(2, clock=lambda: now[0])

    def take(seconds: float) -> None:
        now[0] += seconds

    def work(name: str) -> None:
        running.add(name)
        release.wait()

    async def ask(name: str, job: str, urgency: Urgency) -> None:
        with accounted(name):
            await workers.run(urgency, partial(work, job))

    try:
        for name, used_s in (("hostile", 14), ("honest", 1)):
            with accounted(name):
                await workers.run(Urgency.LISTEN, partial(take, used_s))
        first = asyncio.create_task(ask("hostile", "long", Urgency.TAIL))
        while "long" not in running:
            await asyncio.sleep(0)
        more = asyncio.create_task(ask("hostile", "longer", Urgency.FIRST_SPEECH))
        while not workers.waiting:
            await asyncio.sleep(0)
        honest = asyncio.create_task(ask("honest", "honest", Urgency.LISTEN))
        while "honest" not in running:
            await asyncio.sleep(0)
        assert running == {"long", "honest"}
        release.set()
        await asyncio.gather(first, more, honest)
    finally:
        release.set()
        workers.close()


async def test_an_account_that_wants_to_know_is_told_what_was_computed_for_it() -> None:
    now, told = [0.0], asyncio.Queue[float]()
    workers = Workers(1, clock=lambda: now[0])

    class Account:
        def computed(self, seconds: float) -> None:
            told.put_nowait(seconds)

    def take(seconds: float) -> None:
        now[0] += seconds

    try:
        with accounted(Account()):
            await workers.run(Urgency.LISTEN, partial(take, 2.0))
        assert await told.get() == 2
    finally:
        workers.close()


async def test_what_is_cancelled_while_it_waits_never_runs(workers: Workers) -> None:
    release, busy = await occupy(workers)
    ran: list[bool] = []
    waiting = asyncio.create_task(workers.run(Urgency.SPEECH, lambda: ran.append(True)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    release.set()
    await busy
    await workers.run(Urgency.LISTEN, lambda: None)
    assert not ran


async def test_errors_come_back(workers: Workers) -> None:
    with pytest.raises(ZeroDivisionError):
        await workers.run(Urgency.DETECT, lambda: 1 / 0)


async def test_closed_workers_take_nothing(workers: Workers) -> None:
    workers.close()
    with pytest.raises(RuntimeError, match="closed"):
        await workers.run(Urgency.DETECT, lambda: None)


async def test_what_is_done_aside_keeps_no_thread_from_others_and_is_charged(workers: Workers) -> None:
    told = asyncio.Queue[float]()

    class Account:
        def computed(self, seconds: float) -> None:
            told.put_nowait(seconds)

    free = threading.Event()
    with accounted(Account()):
        aside = asyncio.create_task(workers.aside(free.wait))
    assert await workers.run(Urgency.LISTEN, lambda: True)
    free.set()
    assert await aside
    assert await told.get() > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows niceness by threads")
async def test_what_is_done_aside_yields_the_cores(workers: Workers) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert await workers.aside(niceness) > await workers.run(Urgency.LISTEN, niceness) == niceness()


async def test_each_thread_is_prepared_before_its_first_work() -> None:
    prepared: set[int] = set()
    workers = Workers(2, lambda: prepared.add(threading.get_ident()))
    try:
        assert await workers.run(Urgency.LISTEN, threading.get_ident) in prepared
    finally:
        workers.close()
    assert len(prepared) == 2


async def test_what_is_done_is_let_go_of(workers: Workers) -> None:
    gone = threading.Event()

    class Large:
        """A model's work."""

    def work(large: Large) -> None:
        """Done at once."""

    large = Large()
    weakref.finalize(large, gone.set)
    await workers.run(Urgency.SPEECH, partial(work, large))
    del large
    assert await asyncio.to_thread(gone.wait, 10)


async def test_what_waits_keeps_nobody_from_working(workers: Workers) -> None:
    release = threading.Event()
    waiting = [asyncio.create_task(workers.wait(release.wait)) for _ in range(3)]
    assert await workers.run(Urgency.SPEECH, lambda: 1) == 1
    release.set()
    assert await asyncio.gather(*waiting) == [True] * 3
