"""What the work of sessions is counted by. Pure."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

_MOST_CLIENTS = 10_000
"""Clients whose accounts are remembered; beyond that the least recent one is forgotten."""


class Accounts:
    """Gives each session an account of its own, which a later session of the same client takes over.

    So a client that connects again has used what it had used before, while one that holds many sessions at once, for
    many people, has as many accounts.
    """

    def __init__(self) -> None:
        self._free: OrderedDict[str, list[object]] = OrderedDict()

    @contextmanager
    def of(self, client: str) -> Iterator[object]:
        """An account for one session of `client`, while the context lasts."""
        free = self._free.get(client)
        account = free.pop() if free else object()
        try:
            yield account
        finally:
            self._free.setdefault(client, []).append(account)
            self._free.move_to_end(client)
            if len(self._free) > _MOST_CLIENTS:
                self._free.popitem(last=False)
