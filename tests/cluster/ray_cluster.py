"""A Ray cluster on this machine: a head that places nothing, and workers, each a node with processes of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.ports import free_port, listens

ROOT = Path(__file__).parents[2]
_START_S = 600
_DRAIN_S = 600
_STARTS = 3
"""Times that a node is started: on a busy machine its parts give each other up, and it ends."""
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
        head = f"--head --port {self._port} --dashboard-port {self._dashboard} --temp-dir {self._folder}"
        self._node(f"{head} --num-cpus 0 --include-dashboard true", "--ray-client-server-port")
        for _ in range(workers):
            self._node(f"--address 127.0.0.1:{self._port} --num-cpus {cpus}")

    def deploy(self, replicas: int, *, config: Path, models: Path) -> None:
        """Deploy so many agents, and one replica of the settings `models` under /models."""
        wanted = {
            "proxy_location": "HeadOnly",
            "http_options": {"host": "127.0.0.1", "port": self._http, "request_timeout_s": None},
            "applications": [
                _application("models", "/models", models, replicas=1),
                _application("antiphon", "/", config, replicas),
            ],
        }
        file = self._folder / "serve.yaml"
        file.write_text(json.dumps(wanted))  # which is YAML as well
        self.wait_for(lambda: self._is_deployed(file))

    def settle(self, replicas: int) -> None:
        """Wait until just so many replicas are there, and all of them serve."""
        self.wait_for(lambda: self.states() == ["RUNNING"] * replicas)

    def states(self, application: str = "antiphon") -> list[str]:
        """The state of each replica, in words of Serve's."""
        return [replica["state"] for replica in self._replicas(application)]

    def processes(self) -> dict[str, int]:
        """The process of each replica that runs, by the name that tokens carry."""
        return {replica["replica_id"]: replica["pid"] for replica in self._replicas() if replica["state"] == "RUNNING"}

    def stop(self) -> None:
        """End all nodes with what they started."""
        for node in reversed(self._nodes):
            with suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGTERM)
        for node in reversed(self._nodes):
            with suppress(subprocess.TimeoutExpired):
                node.wait(20)
            _end(node)

    def _replicas(self, application: str = "antiphon") -> list[dict[str, Any]]:
        url = f"{self._environment['RAY_DASHBOARD_ADDRESS']}/api/serve/applications/"
        try:
            applications = httpx.get(url, timeout=10).json()["applications"]
            return list(applications[application]["deployments"]["agents"]["replicas"])
        except (httpx.TransportError, KeyError, json.JSONDecodeError):
            return []

    def _node(self, flags: str, *port_flags: str) -> None:
        """Start a node with a free port for each of these flags; one that ends as it starts is started again."""
        # One after the other: two nodes of one machine that start at once choose the same names for their sockets.
        for attempt in range(1, _STARTS + 1):
            ports = {flag: free_port() for flag in (*port_flags, "--dashboard-agent-listen-port")}
            log = self._folder / f"node{len(self._nodes)}-{attempt}.log"
            node = self._started(log, [*flags.split(), *(f"{flag}={port}" for flag, port in ports.items())])
            if self._serves(node, ports.values()):
                self._nodes.append(node)
                return
            _end(node)
        raise AssertionError(f"a node of Ray ended {_STARTS} times as it started: {log.read_text()[-4000:]}")

    def _serves(self, node: subprocess.Popen[bytes], ports: Collection[int]) -> bool:
        """Wait until the node's parts listen, the last ones on these ports; False: it has ended before."""
        self.wait_for(lambda: node.poll() is not None or all(map(listens, ports)))
        return node.poll() is None

    def _started(self, log: Path, flags: Sequence[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *flags]
        command += ["--object-store-memory", str(_OBJECT_STORE), "--disable-usage-stats"]
        with log.open("wb") as file:
            return subprocess.Popen(command, env=self._environment, stdout=file, stderr=file, start_new_session=True)

    def _is_deployed(self, file: Path) -> bool:
        command = [sys.executable, "-m", "ray.serve.scripts", "deploy", str(file)]
        return subprocess.run(command, env=self._environment, capture_output=True, check=False).returncode == 0

    def wait_for(self, until: Callable[[], bool]) -> None:
        """Wait until the condition holds. Nothing notifies: it is another program."""
        end = time.monotonic() + _START_S
        while not until():
            assert all(node.poll() is None for node in self._nodes), "a node of the cluster has ended"
            assert time.monotonic() < end, f"the cluster is not ready: {self._replicas()}"
            time.sleep(0.5)


def _application(name: str, prefix: str, config: Path, replicas: int) -> dict[str, Any]:
    agents = {"name": "agents", "num_replicas": replicas, "ray_actor_options": {"num_cpus": 1}}
    return {
        "name": name,
        "route_prefix": prefix,
        "import_path": "realtime.cluster.application:build",
        "args": {"config": str(config), "drain_s": _DRAIN_S},
        "deployments": [agents | {"max_surge_percent": 100}],
    }


def _end(node: subprocess.Popen[bytes]) -> None:
    """Kill a node with whatever it started."""
    with suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()


@contextmanager
def ray_cluster(workers: int, cpus: int, settings: Mapping[str, str]) -> Iterator[RayCluster]:
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = RayCluster(Path(folder), settings)
        try:
            cluster.start(workers, cpus)
            yield cluster
        finally:
            cluster.stop()
