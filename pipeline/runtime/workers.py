"""The threads that run models. Work that a listener waits for goes first."""

import asyncio
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from time import perf_counter
from typing import Any, Protocol, TypeVar, runtime_checkable

from pipeline.runtime.fair_shares import FairShares

T = TypeVar("T")

_ASIDE = 5
"""Niceness of the thread for what is done aside: of a core that another thread wants too, it has a quarter.

Source: https://man7.org/linux/man-pages/man7/sched.7.html
"""
_WAITERS = 64
"""Threads for blocking waits, created on demand: more conversations than that take turns."""


class Urgency(IntEnum):
    """Priority of waiting work, the most urgent first; equals run in order of arrival."""

    DETECT = 0
    """Voice activity detection: has someone begun to speak, or stopped?"""
    FIRST_SPEECH = 1
    """The first audio of an answer: until then there is silence."""
    TAIL = 2
    """The last words of a turn that has ended."""
    SPEECH = 3
    """The rest of an answer: what is buffered covers the wait."""
    LISTEN = 4
    """Recognition of a turn that is still being spoken."""


_SHARES = 0.75
"""Shares of the threads that a conversation may use. Somebody who talks in turns uses half of one, also in long
answers."""


@runtime_checkable
class Payer(Protocol):
    """An account that is told what models have worked for it."""

    def computed(self, seconds: float) -> None:
        """A model has worked for so long. Called on the event loop."""
        ...


_account: ContextVar[object] = ContextVar("account", default=None)


@contextmanager
def accounted(account: object) -> Iterator[None]:
    """Count the work of this context, and of the tasks that it starts, by `account`."""
    token = _account.set(account)
    try:
        yield
    finally:
        _account.reset(token)


def account() -> object:
    """What the work of this context is counted by; None: it is nobody's."""
    return _account.get()


def charge(account: object, seconds: float) -> None:
    """Tell an account what a model has worked for it, if it wants to know."""
    if isinstance(account, Payer):
        account.computed(seconds)


def _yield_cores() -> None:
    """Let this thread have less of a core that others want. Elsewhere than on Linux, niceness is that of a process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _ASIDE)


@dataclass(frozen=True, slots=True)
class _Job:
    urgency: Urgency
    number: int
    account: object
    run: Callable[[], None]
    loop: asyncio.AbstractEventLoop
    """Where whoever asked for it waits, and where its cost is charged to the account."""


class Workers:
    """A few threads that run the most urgent work first. Work must be short: it can't be interrupted.

    The work of a conversation that uses much of its share comes after that of all others, however urgent it is, and
    leaves the last free thread to them: a client that asks for more than anybody can listen to does not make the others
    wait. What belongs to no conversation has no bound.
    """

    def __init__(
        self, threads: int, prepare: Callable[[], None] = lambda: None, clock: Callable[[], float] = perf_counter
    ) -> None:
        """`prepare` runs on each thread before its first work. `clock` returns the time in seconds."""
        self._waiting: list[_Job] = []
        self._count = self._idle = threads
        """Threads, and those of them that run nothing."""
        self._shares = FairShares(threads)
        self._clock = clock
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._open = True
        self._prepare = prepare
        self._waiters = ThreadPoolExecutor(_WAITERS, thread_name_prefix="waiter")
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="aside", initializer=_yield_cores)
        self._threads = [threading.Thread(target=self._work, name=f"worker-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, urgency: Urgency, work: Callable[[], T]) -> T:
        """Run `work` on a thread, and return its result or raise its error.

        Cancelled while it waits, it never runs. Cancelled while it runs, it runs to its end and the result is dropped,
        so the objects it works on must not be used again.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            if done.cancelled():
                return
            try:
                result = work()
            except BaseException as error:
                self._settle(loop, done, done.set_exception, error)
            else:
                self._settle(loop, done, done.set_result, result)

        with self._changed:
            if not self._open:
                raise RuntimeError("the workers are closed")
            self._waiting.append(_Job(urgency, next(self._order), account(), job, loop))
            self._changed.notify()
        return await done

    async def wait(self, work: Callable[[], T]) -> T:
        """Run `work`, which waits for others instead of computing, on a thread of its own.

        Cancelled, it runs to its end and the result is dropped.
        """
        return await asyncio.get_running_loop().run_in_executor(self._waiters, work)

    async def aside(self, work: Callable[[], T]) -> T:
        """Run `work` on a thread that yields the cores to all others; it runs one such work after the other.

        For what takes a while and is not needed at once. Cancelled, it runs to its end and the result is dropped.
        """
        loop, payer = asyncio.get_running_loop(), account()

        def job() -> T:
            began = self._clock()
            try:
                return work()
            finally:
                self._charge(loop, payer, began)

        return await loop.run_in_executor(self._aside, job)

    @property
    def waiting(self) -> int:
        """Pieces of work that wait for a thread."""
        return len(self._waiting)

    def close(self) -> None:
        """Finish what runs, drop what waits, and end the threads."""
        with self._changed:
            self._open = False
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for pool in (self._waiters, self._aside):
            pool.shutdown(cancel_futures=True)

    def _work(self) -> None:
        self._prepare()
        while True:
            with self._changed:
                while self._open and (job := self._take()) is None:
                    self._changed.wait()
                if not self._open:
                    return
                self._idle -= 1
            assert job is not None
            began = self._clock()
            job.run()
            self._charge(job.loop, job.account, began)
            with self._changed:
                self._idle += 1
            # What it references would stay alive until the next job.
            del job

    def _charge(self, loop: asyncio.AbstractEventLoop, payer: object, began: float) -> None:
        """Count what a thread has done for `payer` since it `began`."""
        with self._changed:
            now = self._clock()
            if payer is not None:
                self._shares.note(payer, now - began, now)
        _tell(loop, charge, payer, now - began)

    def _take(self) -> _Job | None:
        """The work that is next; None: there is none, or what there is leaves this thread to others."""
        greedy, jobs = self._shares.beyond(_SHARES, self._clock()), self._waiting
        if self._idle == 1 < self._count:
            jobs = [job for job in jobs if job.account not in greedy or job.urgency is Urgency.DETECT]
        first = min(jobs, key=lambda job: (job.account in greedy, job.urgency, job.number), default=None)
        if first is not None:
            self._waiting.remove(first)
        return first

    @staticmethod
    def _settle(
        loop: asyncio.AbstractEventLoop, done: asyncio.Future[T], settle: Callable[[Any], None], outcome: object
    ) -> None:
        def on_loop() -> None:
            if not done.done():
                settle(outcome)

        _tell(loop, on_loop)


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: object) -> None:
    """Call on the loop. One that was closed meanwhile has nobody who waits."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *arguments)
