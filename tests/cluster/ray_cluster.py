"""A Ray cluster on this machine: a head that places nothing, and workers, each a node with processes of its own."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.ports import free_port

ROOT = Path(__file__).parents[2]
_BIN = ROOT / ".venv" / "cluster" / "ray" / "bin"
_START_S = 600
_OBJECT_STORE = 100 * 2**20


class RayCluster:
    """The cluster, and Antiphon on it as a Serve config deploys it."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """`folder`: with a short path, because sockets lie in it. `settings`: ANTIPHON_… of all nodes."""
        self._folder = folder
        self._port, self._dashboard, self._http = free_port(), free_port(), free_port()
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._environment = {
            **os.environ,
            **settings,
            "PYTHONPATH": str(ROOT),
            "RAY_DASHBOARD_ADDRESS": f"http://127.0.0.1:{self._dashboard}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
            # Ray's workers give way to any other program unless told otherwise, and there are others here.
            "RAY_worker_niceness": "0",
            # A process that dies is noticed without these checks; one on a busy machine answers late, and lives.
            "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
            "RAY_health_check_timeout_ms": "60000",
        }

    @property
    def address(self) -> str:
        """Host and port of Serve's proxy."""
        return f"127.0.0.1:{self._http}"

    def start(self, workers: int, cpus: int) -> None:
        """Start the head, and `workers` nodes of `cpus` each."""
        head = f"--head --port {self._port} --dashboard-port {self._dashboard} --num-cpus 0 --temp-dir {self._folder}"
        self._node(f"{head} --include-dashboard true --dashboard-agent-listen-port {free_port()}")
        for _ in range(workers):
            agent = f"--dashboard-agent-listen-port {free_port()}"
            self._node(f"--address 127.0.0.1:{self._port} --num-cpus {cpus} {agent}")

    def deploy(self, replicas: int, *, config: Path, drain_s: float = 600) -> None:
        """Deploy the agents, and wait until as many serve as are wanted."""
        agents = {"name": "agents", "num_replicas": replicas, "ray_actor_options": {"num_cpus": 1}}
        application = {
            "name": "antiphon",
            "route_prefix": "/",
            "import_path": "realtime.cluster.application:build",
            "args": {"config": str(config), "drain_s": drain_s},
            "deployments": [agents | {"max_surge_percent": 100}],
        }
        wanted = {
            "proxy_location": "HeadOnly",
            "http_options": {"host": "127.0.0.1", "port": self._http, "request_timeout_s": None},
            "applications": [application],
        }
        file = self._folder / "serve.yaml"
        file.write_text(json.dumps(wanted))  # which is YAML as well
        self.wait_for(lambda: self._is_deployed(file))

    def settle(self, replicas: int) -> None:
        """Wait until just so many replicas are there, and all of them serve."""
        self.wait_for(lambda: self.states() == ["RUNNING"] * replicas)

    def states(self) -> list[str]:
        """The state of each replica, in words of Serve's."""
        return [replica["state"] for replica in self._replicas()]

    def processes(self) -> dict[str, int]:
        """The process of each replica that runs, by the name that tokens carry."""
        return {replica["replica_id"]: replica["pid"] for replica in self._replicas() if replica["state"] == "RUNNING"}

    def stop(self) -> None:
        """End all nodes with what they started."""
        for node in reversed(self._nodes):
            os.killpg(node.pid, signal.SIGTERM)
        for node in reversed(self._nodes):
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(node.pid, signal.SIGKILL)
                node.wait()

    def _replicas(self) -> list[dict[str, Any]]:
        url = f"{self._environment['RAY_DASHBOARD_ADDRESS']}/api/serve/applications/"
        try:
            applications = httpx.get(url, timeout=10).json()["applications"]
            return list(applications["antiphon"]["deployments"]["agents"]["replicas"])
        except (httpx.TransportError, KeyError, json.JSONDecodeError):
            return []

    def _node(self, flags: str) -> None:
        command = [str(_BIN / "python"), "-m", "ray.scripts.scripts", "start", "--block", *flags.split()]
        command += ["--object-store-memory", str(_OBJECT_STORE), "--disable-usage-stats"]
        with (self._folder / f"node{len(self._nodes)}.log").open("wb") as log:
            node = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log, start_new_session=True)
        self._nodes.append(node)
        # One after the other: two nodes of one machine that start at once choose the same names for their sockets.
        self.wait_for(lambda: "Ray runtime started" in Path(log.name).read_text() and node.poll() is None)

    def _is_deployed(self, file: Path) -> bool:
        command = [str(_BIN / "python"), "-m", "ray.serve.scripts", "deploy", str(file)]
        return subprocess.run(command, env=self._environment, capture_output=True, check=False).returncode == 0

    def wait_for(self, until: Callable[[], bool]) -> None:
        """Wait until the condition holds. Nothing notifies: it is another program."""
        end = time.monotonic() + _START_S
        while not until():
            assert time.monotonic() < end, f"the cluster is not ready: {self._replicas()}"
            time.sleep(0.5)


@contextmanager
def ray_cluster(workers: int, cpus: int, settings: Mapping[str, str]) -> Iterator[RayCluster]:
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = RayCluster(Path(folder), settings)
        try:
            cluster.start(workers, cpus)
            yield cluster
        finally:
            cluster.stop()
