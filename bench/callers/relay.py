"""A bad network between two WebRTC peers: a local UDP relay that drops and delays packets."""

import asyncio
import random
import re
from typing import Self

_CANDIDATE = re.compile(r"a=candidate:\S+ \d+ udp \d+ (\S+) (\d+) typ host")
_OF_CANDIDATES = ("a=candidate:", "a=end-of-candidates")

Address = tuple[str, int]


class Relay:
    """A relay between an offerer and an answerer, each of which sees the relay's address instead of the other's.

    It drops the share `loss` of the packets in both directions and delays the others by up to `jitter_s`, so that some
    overtake others. The same `seed` gives the same decisions.
    """

    def __init__(self, loss: float, jitter_s: float, seed: int = 0) -> None:
        self._loss = loss
        self._jitter_s = jitter_s
        self._random = random.Random(seed)
        self._caller = _Side(self)
        self._server = _Side(self)
        self._server_at: Address | None = None
        self._caller_at: Address | None = None
        self.dropped = 0
        self.passed = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for side in (self._caller, self._server):
            if side.transport is not None:
                side.transport.close()
        await asyncio.sleep(0)  # they are closed in the next turn of the loop

    def offer(self, sdp: str) -> str:
        """The offer without the offerer's own addresses."""
        return "".join(f"{line}\r\n" for line in sdp.splitlines() if not line.startswith(_OF_CANDIDATES))

    async def answer(self, sdp: str) -> str:
        """The answer with the relay's address instead of the answerer's."""
        found = _CANDIDATE.search(sdp)
        if found is None:
            raise ValueError("the answer has no UDP candidate of the server itself")
        self._server_at = (found[1], int(found[2]))
        loop = asyncio.get_running_loop()
        host = found[1]
        self._server.transport, _ = await loop.create_datagram_endpoint(lambda: self._server, local_addr=(host, 0))
        self._caller.transport, _ = await loop.create_datagram_endpoint(lambda: self._caller, local_addr=(host, 0))
        port = self._caller.transport.get_extra_info("sockname")[1]
        lines: list[str] = []
        for line in sdp.splitlines():
            if line.startswith("m="):
                lines += [line, f"a=candidate:relay 1 udp 2130706431 {host} {port} typ host", "a=end-of-candidates"]
            elif not line.startswith(_OF_CANDIDATES):
                lines.append(line)
        return "".join(f"{line}\r\n" for line in lines)

    def relay(self, side: "_Side", data: bytes, sender: Address) -> None:
        """Drop a packet, or pass it on to the other peer after a while."""
        if side is self._caller:
            self._caller_at = sender
        if self._random.random() < self._loss:
            self.dropped += 1
            return
        self.passed += 1
        asyncio.get_running_loop().call_later(self._random.uniform(0, self._jitter_s), self._pass_on, side, data)

    def _pass_on(self, side: "_Side", data: bytes) -> None:
        other, to = (self._server, self._server_at) if side is self._caller else (self._caller, self._caller_at)
        if other.transport is not None and not other.transport.is_closing() and to is not None:
            other.transport.sendto(data, to)


class _Side(asyncio.DatagramProtocol):
    """The port for one of the peers."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._relay.relay(self, data, (addr[0], addr[1]))
