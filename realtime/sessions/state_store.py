"""Where the states of sessions are kept for clients that come back: by default in this process."""

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Protocol

_MOST_STATES = 1000
"""States that the memory of one process keeps; the oldest go first. A limit against clients that only open sessions."""


class StateStore(Protocol):
    """States of sessions by key, each with one owner: the connection that the session has now."""

    async def claim(self, key: str, owner: str) -> bytes | None:
        """Make `owner` the owner of the state at `key`, and return it; None if none is kept. Raises `StoreError`."""
        ...

    async def save(self, key: str, owner: str, state: bytes, lasts_s: float) -> bool:
        """Keep `state` for so long. False, and nothing is changed: it has another owner. Raises `StoreError`."""
        ...


class StoreError(Exception):
    """The store gives no answer. The message states why."""


class _Kept(NamedTuple):
    owner: str
    state: bytes
    until: float


class MemoryStore:
    """Keeps states in this process: they survive a lost connection, and nothing else."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """`clock`: the time in seconds."""
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def claim(self, key: str, owner: str) -> bytes | None:
        self._forget()
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept[key] = kept._replace(owner=owner)
        return kept.state

    async def save(self, key: str, owner: str, state: bytes, lasts_s: float) -> bool:
        self._forget()
        kept = self._kept.pop(key, None)
        if kept is not None and kept.owner != owner:
            self._kept[key] = kept
            return False
        self._kept[key] = _Kept(owner, state, self._clock() + lasts_s)
        while len(self._kept) > _MOST_STATES:
            del self._kept[next(iter(self._kept))]
        return True

    def _forget(self) -> None:
        now = self._clock()
        for key in [key for key, kept in self._kept.items() if kept.until <= now]:
            del self._kept[key]
