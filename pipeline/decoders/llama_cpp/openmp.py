"""How llama.cpp's threads wait for each other: awake on idle cores, asleep where other work needs the cores.

They meet at some four hundred barriers a token. A thread that sleeps at each is woken too late: on two idle cores a
token takes half as long again. A thread that spins keeps the core from the one that it waits for, if they have to
share: a token takes three times as long. GNU OpenMP, with which xllamacpp's wheel is built, reads once for how long to
spin, but spins less as soon as it has more threads than there are cores; with the wait policy "passive", not at all.
So an additional team of threads, which sleeps, is the switch.

Source: https://github.com/gcc-mirror/gcc/blob/master/libgomp/env.c (gomp_throttled_spin_count_var)
"""

import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

_SPINS = "5000"
"""Rounds of a spinning thread before it sleeps all the same: some 50 µs, the time between two barriers."""
_LIBRARY = "libgomp.so.1"
_TASKS = Path("/proc/self/task")
_LOOK_S = 0.1
"""Time after which it is decided anew: a few tokens."""
_CROWDED = 0.5
"""Seconds for which threads of this process wait for a core, per second, from which the cores are not idle. Two threads
that share their cores with other programs waited 0.87 and more, spinning or not; a look at speech takes 0.04 once."""


def choose_waiting() -> None:
    """Choose how threads wait at barriers. Call it before llama.cpp is imported; the environment takes precedence."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if waited_s() is not None:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


class BarrierSwitch:
    """Lets the threads of GNU OpenMP spin at barriers while the cores are idle, and sleep while they are not."""

    def __init__(
        self,
        team: "SleepingTeam",
        clock: Callable[[], float] = time.perf_counter,
        waited: Callable[[], float | None] | None = None,
    ) -> None:
        """`waited` returns the seconds for which threads have waited for a core so far; None: that is not known."""
        self._team = team
        self._clock = clock
        self._waited = waited or waited_s
        self._last: tuple[float, float] | None = None

    def look(self) -> None:
        """Decide anew if it is time to. Call it at every request and every token."""
        now = self._clock()
        if self._last is not None and now - self._last[0] < _LOOK_S:
            return
        waited = self._waited()
        if waited is None:
            return
        crowded = self._last is not None and waited - self._last[1] >= _CROWDED * (now - self._last[0])
        self._last = (now, waited)
        if crowded:
            self._team.assemble()
        else:
            self._team.dismiss()

    def close(self) -> None:
        self._team.dismiss()


class SleepingTeam:
    """As many threads of GNU OpenMP as there are cores, which do nothing."""

    def __init__(self) -> None:
        self._over: threading.Event | None = None

    def assemble(self) -> None:
        """Begin to have them. Takes a tenth of a millisecond."""
        if self._over is None:
            self._over = over = threading.Event()
            threading.Thread(target=_idle, args=(over,), name="openmp-sleeper", daemon=True).start()

    def dismiss(self) -> None:
        """Let them end."""
        if self._over is not None:
            self._over.set()
            self._over = None


def _idle(over: threading.Event) -> None:
    """Open a parallel region, whose threads stay with the one that opened it until that ends."""
    work = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
    ctypes.CDLL(_LIBRARY).GOMP_parallel(work, None, ctypes.c_uint(os.cpu_count() or 1), ctypes.c_uint(0))
    over.wait()


def waited_s() -> float | None:
    """Seconds for which the threads of this process have been ready to run and had no core; None: not on this system.

    Source: https://docs.kernel.org/scheduler/sched-stats.html
    """
    total = 0
    try:
        for task in _TASKS.iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[1])
            except FileNotFoundError:
                continue  # the thread has ended
    except (OSError, ValueError, IndexError):
        return None
    return total / 1e9
