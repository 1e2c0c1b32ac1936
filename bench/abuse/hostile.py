"""Hostile clients in a process of its own, with a low priority: `python -m bench.abuse.hostile PLAN`.

The cores that they share with the server are the server's first, as if they attacked from elsewhere.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from aiortc import RTCPeerConnection

from bench.abuse.attackers import ATTACKERS, Damage, Target

_NICE = 5
"""A third of what the server gets of a busy core."""
_REPORT_S = 1.0
_LONGEST_LINE = 2**24


@dataclass(frozen=True, slots=True)
class Plan:
    """Which clients attack, and for how long."""

    port: int
    kinds: Sequence[str]
    """One client for each; it may occur more than once."""
    events: int | None = None
    """Mutated events to send, by all clients that send them; None: without end."""
    offers: int | None = None
    seed: int = 0

    def targets(self, offer: str) -> list[tuple[str, Target]]:
        """The kinds of the clients, and what each aims at from an address of its own."""
        limits = {}
        if self.events is not None:
            limits["events"] = -(-self.events // max(1, self.kinds.count("fuzz_events")))
        if self.offers is not None:
            limits["offers"] = -(-self.offers // max(1, self.kinds.count("fuzz_offers")))
        return [
            (kind, Target(self.port, f"127.0.1.{number}", 1000 * self.seed + number, offer=offer, **limits))
            for number, kind in enumerate(self.kinds, 1)
        ]


class Attack:
    """The attack of a plan while it lasts."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.damage = Damage()
        """What was done so far."""
        self.over = asyncio.create_task(self._follow(), name="attack")
        """Done when all clients have ended."""

    async def _follow(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.damage = Damage(**json.loads(line))

    async def end(self) -> None:
        """Have the clients end. Raises `RuntimeError` where they failed by themselves."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self.over
        if await self._process.wait():
            raise RuntimeError("the hostile clients failed")


@asynccontextmanager
async def attacking(plan: Plan) -> AsyncIterator[Attack]:
    """Attack while the context lasts. Raises `RuntimeError` where the clients failed by themselves."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.abuse.hostile", json.dumps(asdict(plan))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    attack = Attack(process)
    try:
        yield attack
        await attack.end()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await asyncio.wait([attack.over])


async def _main(plan: Plan) -> None:
    os.nice(_NICE)
    over, damage = asyncio.Event(), Damage()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), over.set)  # it becomes readable when it is closed
    targets = plan.targets(await _offer())
    attacks = [asyncio.create_task(ATTACKERS[kind](target, over, damage)) for kind, target in targets]
    counted = [task for task, kind in zip(attacks, plan.kinds, strict=True) if kind.startswith("fuzz_")]
    if plan.events is not None or plan.offers is not None:
        ending = asyncio.gather(*counted)
        ending.add_done_callback(lambda _: over.set())
    while True:
        _, running = await asyncio.wait(attacks, timeout=_REPORT_S)
        sys.stdout.write(f"{json.dumps(asdict(damage))}\n")
        sys.stdout.flush()
        if not running:
            break
    for attack in attacks:
        attack.result()


async def _offer() -> str:
    connection = RTCPeerConnection()
    try:
        connection.addTransceiver("audio")
        connection.createDataChannel("oai-events")
        await connection.setLocalDescription(await connection.createOffer())
        return str(connection.localDescription.sdp)
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(_main(Plan(**json.loads(sys.argv[1]))))
