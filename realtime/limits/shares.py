"""Sessions and connections that one client holds at the same time. Pure."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network

_IPV6_PREFIX = 64
"""A provider gives each of its customers at least so much of an IPv6 address to choose from."""


def client_address(host: str) -> str:
    """What identifies the client at `host`: its IPv4 address, or the network of its IPv6 address."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), _IPV6_PREFIX), strict=False))


class Shares:
    """Counts what each client holds."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def __getitem__(self, client: str) -> int:
        return self._held.get(client, 0)

    def __len__(self) -> int:
        """Clients that hold anything."""
        return len(self._held)

    def take(self, client: str) -> None:
        self._held[client] += 1

    def give_back(self, client: str) -> None:
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Hold one while the context lasts."""
        self.take(client)
        try:
            yield
        finally:
            self.give_back(client)
