"""The threads that run models. Whoever is closest to a listener's ear goes first."""

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from typing import Any, TypeVar

T = TypeVar("T")

_WAITERS = 64
"""Threads beside the workers, made when they are needed: more conversations than that take turns."""


class Urgency(IntEnum):
    """The order in which waiting work is taken up; equals go in the order they came."""

    DETECT = 0
    """Has somebody begun to speak, or stopped?"""
    FIRST_SPEECH = 1
    """The first sound of an answer: silence until it is there."""
    TAIL = 2
    """The last words of a turn that has ended."""
    SPEECH = 3
    """The rest of an answer: the listener's buffer covers the wait."""
    LISTEN = 4
    """What is being said, while it is being said."""


class Workers:
    """A few threads that take the most urgent work first. The work must be short: it can't be taken off a thread."""

    def __init__(self, threads: int, prepare: Callable[[], None] = lambda: None) -> None:
        """`prepare` is called on each thread before its first work."""
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._open = True
        self._prepare = prepare
        self._waiters = ThreadPoolExecutor(_WAITERS, thread_name_prefix="waiter")
        self._threads = [threading.Thread(target=self._work, name=f"worker-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, urgency: Urgency, work: Callable[[], T]) -> T:
        """Run `work` on a thread and give its result or raise its error.

        Cancelled while it waits, it never runs. Cancelled while it runs, it runs to its end and the result is dropped,
        so what it works on must not be used again.
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
            heapq.heappush(self._waiting, (urgency, next(self._order), job))
            self._changed.notify()
        return await done

    async def wait(self, work: Callable[[], T]) -> T:
        """Run `work`, which does not compute but waits for others, on a thread beside the workers.

        Cancelled, it runs to its end and the result is dropped.
        """
        return await asyncio.get_running_loop().run_in_executor(self._waiters, work)

    def close(self) -> None:
        """Finish what runs, drop what waits, and end the threads."""
        with self._changed:
            self._open = False
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._waiters.shutdown(cancel_futures=True)

    def _work(self) -> None:
        self._prepare()
        while True:
            with self._changed:
                while self._open and not self._waiting:
                    self._changed.wait()
                if not self._open:
                    return
                _, _, job = heapq.heappop(self._waiting)
            job()
            # What it held would live on until there is more to do.
            del job

    @staticmethod
    def _settle(
        loop: asyncio.AbstractEventLoop, done: asyncio.Future[T], settle: Callable[[Any], None], outcome: object
    ) -> None:
        def on_loop() -> None:
            if not done.done():
                settle(outcome)

        # A loop that was closed meanwhile has nobody left who waits.
        if not loop.is_closed():
            loop.call_soon_threadsafe(on_loop)
