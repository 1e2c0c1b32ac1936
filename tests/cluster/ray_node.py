"""One node of a Ray cluster: its processes, and how they start on a machine that is busy."""

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.cluster.ports import listens

_ROOT = Path(__file__).parents[2]
_OBJECT_STORE = 100 * 2**20
_PATIENCE_S = 300
_PATIENCE = {
    # How long the parts of a node wait for each other as it starts.
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": _PATIENCE_S,
    "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": _PATIENCE_S,
    "RAY_agent_register_timeout_ms": 1000 * _PATIENCE_S,
    "RAY_gcs_server_request_timeout_seconds": _PATIENCE_S,
    "RAY_raylet_start_wait_time_s": _PATIENCE_S,
    "RAY_worker_register_timeout_seconds": _PATIENCE_S,
    # A process that dies is noticed without these checks.
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": _PATIENCE_S,
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": _PATIENCE_S,
    "RAY_health_check_timeout_ms": 1000 * _PATIENCE_S,
}
"""Ray's own limits are for machines with time to spare: here a process answers late, and lives."""
_ENVIRONMENT = {
    "PYTHONPATH": str(_ROOT),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    # Ray's workers give way to any other program unless told otherwise, and there are others here.
    "RAY_worker_niceness": "0",
    **{name: str(value) for name, value in _PATIENCE.items()},
}


class RayNode:
    """A node that starts or runs."""

    def __init__(self, folder: Path, flags: Sequence[str], ports: Mapping[str, int]) -> None:
        """`folder`: its own, since nodes of one machine otherwise choose the same names for their sockets.

        `ports`: by their flags, those on which the node's last parts to start listen.
        """
        self._log = folder.with_suffix(".log")
        self._ports: Collection[int] = ports.values()
        self.runs = False
        """Whether all its parts have started."""
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats", *flags]
        command += ["--temp-dir", str(folder), "--object-store-memory", str(_OBJECT_STORE)]
        command += [f"{flag}={port}" for flag, port in ports.items()]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=os.environ | _ENVIRONMENT, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def last_words(self) -> str:
        """The end of what it printed."""
        return self._log.read_text()[-4000:]

    def has_started(self) -> bool:
        """Whether its last parts listen, or never will because it has ended."""
        return self.has_ended or all(map(listens, self._ports))

    def kill(self) -> None:
        """Kill it with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
