"""The server under attack and its decoder's server, as processes that can be measured, suspended and killed."""

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

_START_S = 300.0
_STOP_S = 30.0

MIXED: Mapping[str, object] = {
    "SERVER__MAX_SESSIONS": 40,
    "SERVER__SESSIONS_PER_CLIENT": 2,
    "SERVER__SESSIONS_PER_MINUTE": 60_000,
    "SERVER__REQUESTS_PER_SECOND": 5_000,
    "SERVER__EVENTS_PER_SECOND": 100_000,
    "SERVER__KIB_PER_SECOND": 1_000_000,
    "SERVER__ANSWERS_PER_SECOND": 100_000,
    "SERVER__IDLE_MINUTES": 5,
    "SERVER__LOOP_LAG_S": 0,
    "DECODER__TIMEOUT_S": 1.5,
    "VOICE__TIMEOUT_S": 1.5,
}
"""Settings of a server that always has room, with limits so high that an attack gets past them."""


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        port: int = probing.getsockname()[1]
        return port


class Upstream:
    """The stand-in for a decoder's or a voice's server; it runs while its context lasts."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.kill()

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.abuse.upstream", str(self.port)
        )
        async with asyncio.timeout(_START_S):
            while not await _listens(self.port):  # noqa: ASYNC110 - another process has no event
                await asyncio.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Victim:
    """The server under attack."""

    def __init__(self, port: int, metrics_port: int, pid: int, log: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        self._pid = pid
        self._log = log

    def memory_mib(self) -> float:
        pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def files(self) -> int:
        return len(list(Path(f"/proc/{self._pid}/fd").iterdir()))

    def fill_disk(self) -> None:
        """Let every further byte that the server writes to a file fail, as on a full disk. It cannot be undone."""
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (0, 0))

    def tracebacks(self) -> list[str]:
        """The records of the log that have one."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [line for line in lines if "Traceback (most recent call last)" in line]

    async def figures(self) -> Mapping[str, float]:
        """The server's own metrics; labels are joined to the names."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            text = (await client.get(self._metrics)).text
        return {
            ":".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def refusals(self) -> Mapping[str, int]:
        """What was turned away so far, by the reason."""
        found = (await self.figures()).items()
        return {
            name.partition(":")[2]: round(value) for name, value in found if name.startswith("antiphon_refusals_total:")
        }

    async def sessions(self) -> int:
        return round((await self.figures()).get("antiphon_sessions", -1))


@asynccontextmanager
async def victim(
    folder: Path, settings: Mapping[str, object], decoder: Upstream | None = None, voice: Upstream | None = None
) -> AsyncIterator[Victim]:
    """Serve with the tiny profile while the context lasts, with the log in a file in `folder`.

    `settings`: by the names of their variables. `decoder`, `voice`: the models' servers, instead of models in process.
    """
    port, metrics_port = free_port(), free_port()
    upstreams = {role: upstream for role, upstream in (("DECODER", decoder), ("VOICE", voice)) if upstream is not None}
    chosen = {
        "PROFILE": "tiny",
        "SERVER__PORT": port,
        "SERVER__TRUST_LOOPBACK": "false",
        "METRICS__PORT": metrics_port,
        **{f"{role}__URL": f"http://127.0.0.1:{upstream.port}/v1" for role, upstream in upstreams.items()},
        **{f"{role}__MODEL": "stand-in" for role in upstreams},
        **({"DECODER__BACKEND": "openai"} if decoder is not None else {}),
        **({"VOICE__BACKEND": "http", "VOICE__NAME": "stand-in"} if voice is not None else {}),
        **settings,
    }
    environment = {**os.environ, **{f"ANTIPHON_{name}": str(value) for name, value in chosen.items()}}
    written = folder / "server.log"
    with written.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "realtime.cli", "serve"), env=environment, stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(_START_S):
            while not await _listens(port):
                if process.returncode is not None:
                    raise RuntimeError(f"the server ended: {written.read_text()[-2000:]}")
                await asyncio.sleep(0.1)
        yield Victim(port, metrics_port, process.pid, written)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
