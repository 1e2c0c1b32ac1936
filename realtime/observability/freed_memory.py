"""Memory that sessions have freed goes back to the system, as its operators expect to see it."""

import asyncio
import ctypes
from collections.abc import Callable

from realtime.sessions.observer import Client, Observer

_AFTER_S = 5.0
"""Time from the end of a session: others end meanwhile, and what they free goes with it."""


def trim() -> None:
    """Return what is free in the heaps of all threads; the C library alone returns only what is at their ends.

    It does nothing where the C library is not glibc.
    """
    if (malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        malloc_trim(0)


class FreedMemory(Observer):
    """Trims the heaps some seconds after sessions have ended."""

    def __init__(self, after_s: float = _AFTER_S, trim: Callable[[], None] = trim) -> None:
        self._after_s = after_s
        self._trim = trim
        self._due: asyncio.TimerHandle | None = None

    def ended(self, client: Client, reason: str, seconds: float) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._after_s, self._start)

    def _start(self) -> None:
        self._due = None
        asyncio.get_running_loop().run_in_executor(None, self._trim)
