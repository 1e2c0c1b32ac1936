"""What each client of a server may use, before and besides what its session costs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """A client is an address (of IPv6, a /64 network) or, where it has one, an API key."""

    trust_loopback: bool = True
    """Whether clients on this machine are exempt: its owner, or a proxy that does not pass on who it serves."""
    requests_per_second: int = 20
    """HTTP requests and WebSocket handshakes; ten times as many at once, because a page has many files."""
    sessions_per_minute: int = 60
    """Sessions that begin, over any transport; a sixth of them at once."""
    sessions_per_client: int = 2
    """Sessions at once of an address, with no key or an ephemeral one."""
    sessions_per_key: int = 2
    """Sessions at once of an API key."""
    connections_per_client: int = 64
    """TCP connections of an address at once."""
    max_connections: int = 1000
    """TCP connections at once, of all clients together."""
    request_timeout_s: float = 10
    """Longest time that the head of a request, or the form of a call, may take to arrive."""
