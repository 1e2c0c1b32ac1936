"""A vLLM server in an environment of its own, as `setup.sh` makes it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import httpx

from tests.cluster.ports import free_port

CLUSTER = Path(sys.prefix).parent
"""The folder of `setup.sh`: this is one of its environments."""
MODEL = "small"
"""The name under which the model is served."""
CONTEXT = 2048
BLOCK = 32
"""Tokens of a block of the prefix cache: only whole ones are found again. A CPU takes no fewer."""
PATIENCE_S = 600
"""So long only where something is wrong: busy machines take seven minutes to start vLLM, idle ones half a minute."""


CHATS = "--enable-auto-tool-choice --tool-call-parser hermes"
"""What a model needs that writes, and calls tools."""
HEARS = "--interleave-mm-strings"
"""What one needs that hears."""


class Vllm:
    """A server with a small model that is started, stopped and asked for its metrics."""

    def __init__(self, folder: Path, model: Path, flags: str, environment: Mapping[str, str]) -> None:
        """`folder`: for the log. `model`: the folder of a transformers model."""
        self._model = model
        self._flags = flags
        self._environment = environment
        self._port = free_port()
        self._log = folder / "vllm.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(CLUSTER / "vllm" / "bin" / "python"), "-m", "vllm.entrypoints.openai.api_server"]
        flags = f"""--model {self._model} --served-model-name {MODEL} --host 127.0.0.1 --port {self._port}
            --enforce-eager --distributed-executor-backend uni --max-model-len {CONTEXT} --max-num-seqs 8
            --dtype float32 --enable-prefix-caching --block-size {BLOCK} --enable-prompt-tokens-details {self._flags}"""
        # Most CPUs compute faster in float32 than in bfloat16, and one test compares this process, which does so, too.
        environment = {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            # The model computes in the engine's process: a worker's would import all of vLLM once more.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            # --enforce-eager leaves functions that the first request compiles, with a C++ compiler, for a minute.
            "TORCHDYNAMO_DISABLE": "1",
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *flags.split()],
                stdout=log,
                stderr=log,
                env={**os.environ, **environment, **self._environment},
                start_new_session=True,
            )
        until = time.monotonic() + 2 * PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()[-4000:]
            assert time.monotonic() < until, "vLLM did not start"
            time.sleep(0.5)

    def kill(self) -> None:
        """Kill it with all its processes, as a machine that fails would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def metric(self, name: str, label: str = "") -> float:
        """The sum of one of its counters or gauges, over the series that have `label`."""
        text = httpx.get(f"http://127.0.0.1:{self._port}/metrics").text
        series = re.findall(rf"^vllm:{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
        assert series, f"vLLM has no metric {name}"
        return sum(float(value) for labels, value in series if label in labels)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/health").is_success
        except httpx.TransportError:
            return False


async def become(vllm: Vllm, metric: str, value: float) -> None:
    """Wait until a metric has the value. Nothing notifies: it is another program."""
    async with asyncio.timeout(PATIENCE_S):
        while vllm.metric(metric) != value:
            await asyncio.sleep(0.05)


@contextmanager
def running(
    model: Path = CLUSTER / "model", flags: str = CHATS, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Vllm]:
    """A server that answers; by default with the model that `setup.sh` makes."""
    with tempfile.TemporaryDirectory() as folder:
        vllm = Vllm(Path(folder), model, flags, environment)
        try:
            vllm.start()
            yield vllm
        finally:
            vllm.kill()
