"""TCP connections: how many there may be, and how long each may take to say what it wants."""

import asyncio
import logging
import resource
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from realtime.limits.client_limits import ClientLimits
from realtime.limits.refusals import Refusals
from realtime.limits.shares import Shares, client_address
from realtime.sessions.frame_budget import BudgetedWebSocket
from realtime.sessions.guard import is_loopback

log = logging.getLogger(__name__)

BODY_TIMEOUT_S = 300.0
"""Longest time that the body of a request may take to arrive: 25 MiB, the largest, at 700 kbit/s."""
_SPARE_FILES = 128
"""Open files besides connections: models, logs, upstreams."""
_FILES_A_CONNECTION = 2
"""A call has a connection for its offer and a UDP socket for each network interface."""
_MOST_FILES = 2**16

_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def raise_file_limit() -> int:
    """Raise this process's limit on open files as far as it may; returns how many connections fit into it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError) as error:
            log.warning("the limit on open files stays at %d: %s", soft, error)
    files = _MOST_FILES if soft == resource.RLIM_INFINITY else soft
    return max(8, (files - _SPARE_FILES) // _FILES_A_CONNECTION)


class Connections:
    """The open connections of one server."""

    def __init__(self, limits: ClientLimits, refusals: Refusals, trusted_proxies: Sequence[str] = ()) -> None:
        """`trusted_proxies`: addresses and networks of proxies, whose connections are those of many clients."""
        self._limits = limits
        self._refusals = refusals
        self._proxies = [ip_network(proxy) for proxy in trusted_proxies]
        self._by_client = Shares()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def admit(self, host: str) -> Callable[[], None] | None:
        """Count a connection from `host`; returns what counts its end, or None if there are too many."""
        client = client_address(host)
        is_exempt = (self._limits.trust_loopback and is_loopback(host)) or self._is_proxy(host)
        over_share = not is_exempt and self._by_client[client] >= self._limits.connections_per_client
        if over_share or self._count >= self._limits.max_connections:
            self._refusals.note("too_many_connections")
            return None
        self._by_client.take(client)
        self._count += 1

        def ended() -> None:
            self._by_client.give_back(client)
            self._count -= 1

        return ended

    def _is_proxy(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)

    def protocol(self) -> type[H11Protocol]:
        """uvicorn's HTTP protocol, whose connections are counted here and have deadlines."""
        connections, head_s = self, self._limits.request_timeout_s

        class Bounded(BoundedHttp):
            def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as uvicorn passes them on
                super().__init__(*arguments, **options)
                self.bind(connections, head_s)

        return Bounded


class BoundedHttp(H11Protocol):
    """uvicorn's HTTP connection. It is closed when a request does not arrive in time, or there are too many.

    uvicorn itself waits for ever for the second half of a request's head.
    """

    _ended: Callable[[], None] | None = None
    _deadline: asyncio.TimerHandle | None = None
    _phase: object = None

    def bind(self, connections: Connections, head_timeout_s: float) -> None:
        self._connections = connections
        self._timeouts_s = {h11.IDLE: head_timeout_s, h11.SEND_BODY: BODY_TIMEOUT_S}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._ended = self._connections.admit(self.client[0] if self.client else "")
        if self._ended is None:
            transport.abort()
        else:
            self._watch()

    def handle_events(self) -> None:
        super().handle_events()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        super().handle_websocket_upgrade(event)
        self._cancel()
        protocol = self.transport.get_protocol()
        assert isinstance(protocol, BudgetedWebSocket)
        protocol.ended, self._ended = self._ended, None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel()
        if self._ended is not None:
            self._ended()

    def _watch(self) -> None:
        """Give the part of a request that is being received its time, from its beginning."""
        phase = self.conn.their_state
        if phase is self._phase or self.transport.is_closing():
            return
        self._cancel()
        if phase in self._timeouts_s:
            self._phase = phase
            self._deadline = self.loop.call_later(self._timeouts_s[phase], self._expire)

    def _expire(self) -> None:
        log.info("a client did not send its request in time")
        if self._phase is h11.IDLE:
            self.transport.write(_TIMEOUT)
            self.transport.close()
        else:
            self.transport.abort()

    def _cancel(self) -> None:
        self._phase = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
