"""What the work of sessions is counted by. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from realtime.limits.pace import Pace

_MOST_CLIENTS = 10_000
"""Clients whose accounts are remembered; beyond that the least recent one is forgotten."""


class Account:
    """What one session after another has sent; the models count their work by it, too."""

    def __init__(self, pace: Pace, clock: Callable[[], float]) -> None:
        """`clock`: the time in seconds."""
        self.pace = pace
        self._clock = clock

    def computed(self, seconds: float) -> None:
        """A model has worked for so long."""
        self.pace.computed(seconds, self._clock())


class Accounts:
    """Gives each session an account of its own, which a later session of the same client takes over.

    So a client that connects again has used what it had used before, while one that holds many sessions at once, for
    many people, has as many accounts.
    """

    def __init__(self, new_pace: Callable[[], Pace], clock: Callable[[], float] = monotonic) -> None:
        """`clock`: the time in seconds, as the paces have it."""
        self._new_pace = new_pace
        self._clock = clock
        self._free: OrderedDict[str, list[Account]] = OrderedDict()

    @contextmanager
    def of(self, client: str) -> Iterator[Account]:
        """An account for one session of `client`, while the context lasts."""
        free = self._free.get(client)
        account = free.pop() if free else Account(self._new_pace(), self._clock)
        try:
            yield account
        finally:
            self._free.setdefault(client, []).append(account)
            self._free.move_to_end(client)
            if len(self._free) > _MOST_CLIENTS:
                self._free.popitem(last=False)
