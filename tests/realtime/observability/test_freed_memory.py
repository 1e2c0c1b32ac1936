"""What sessions have freed is the system's again."""

import asyncio
import threading
from pathlib import Path

from realtime.observability.freed_memory import FreedMemory, trim
from realtime.sessions.observer import Client

CLIENT = Client("sess_1", "websocket", "127.0.0.1", "")
PAGES = 4096


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGES / 2**20


def test_what_is_free_between_what_is_used_is_returned() -> None:
    blocks = [b"x" * (2_000 + number % 2) for number in range(50_000)]
    last = blocks[-1]
    full = resident_mib()
    del blocks
    trim()
    assert resident_mib() < full - 50
    assert len(last) == 2_001


async def test_sessions_that_end_together_are_followed_by_one_trim() -> None:
    trims, done = [], threading.Event()

    def note() -> None:
        trims.append(1)
        done.set()

    memory = FreedMemory(0, note)
    for _ in range(3):
        memory.ended(CLIENT, "client_left", 1)
    await asyncio.to_thread(done.wait, 60)
    assert len(trims) == 1
    done.clear()
    memory.ended(CLIENT, "client_left", 1)
    await asyncio.to_thread(done.wait, 60)
    assert len(trims) == 2
