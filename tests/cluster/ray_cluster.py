"""A Ray cluster on this machine: a head that places nothing, and workers, each a node with processes of its own."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.ports import free_port
from tests.cluster.ray_node import RayNode

_START_S = 600
_ANSWER_S = 60
_DRAIN_S = 600
_STARTS = 3
"""Times that a node is started: on a busy machine its parts give each other up, and it ends."""


class RayCluster:
    """The cluster, and Antiphon on it as a Serve config deploys it."""

    def __init__(self, folder: Path) -> None:
        """`folder`: with a short path, because sockets lie in it."""
        self._folder = folder
        self._port, self._dashboard, self._http = free_port(), free_port(), free_port()
        self._nodes: list[RayNode] = []

    @property
    def address(self) -> str:
        """Host and port of Serve's proxy."""
        return f"127.0.0.1:{self._http}"

    def start(self, workers: int, cpus: int) -> None:
        """Start the head, and `workers` nodes of `cpus` each."""
        head = f"--head --port {self._port} --dashboard-port {self._dashboard} --num-cpus 0 --include-dashboard true"
        self._node("head", f"{head} --no-monitor", "--ray-client-server-port")
        worker = f"--address 127.0.0.1:{self._port} --num-cpus {cpus}"
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda number: self._node(f"worker{number}", worker), range(workers)))

    def deploy(self, replicas: int, *, config: Path, models: Path | None = None) -> None:
        """Deploy so many agents and, if there are settings `models`, one replica of those under /models."""
        wanted = {
            "proxy_location": "HeadOnly",
            "http_options": {"host": "127.0.0.1", "port": self._http, "request_timeout_s": None},
            "applications": [
                *([] if models is None else [_application("models", "/models", models, replicas=1)]),
                _application("antiphon", "/", config, replicas),
            ],
        }
        self.wait_for(lambda: self._is_deployed(wanted))

    def settle(self, replicas: int) -> None:
        """Wait until what was deployed last serves, the agents with just so many replicas."""
        self.wait_for(
            lambda: (
                {application["status"] for application in self._applications().values()} == {"RUNNING"}
                and self.states() == ["RUNNING"] * replicas
            )
        )

    def states(self) -> list[str]:
        """The state of each replica, in words of Serve's."""
        return [replica["state"] for replica in self._replicas()]

    def processes(self) -> dict[str, int]:
        """The process of each replica that runs, by the name that tokens carry."""
        return {replica["replica_id"]: replica["pid"] for replica in self._replicas() if replica["state"] == "RUNNING"}

    def stop(self) -> None:
        """Kill all nodes with what they started."""
        for node in self._nodes:
            node.kill()

    @property
    def _serve(self) -> str:
        """Where Ray's dashboard takes and shows what Serve deploys."""
        return f"http://127.0.0.1:{self._dashboard}/api/serve/applications/"

    def _replicas(self) -> list[dict[str, Any]]:
        agents = self._applications().get("antiphon", {}).get("deployments", {}).get("agents", {})
        return list(agents.get("replicas", ()))

    def _applications(self) -> dict[str, dict[str, Any]]:
        """What Serve says of the applications, by their names; empty while it says nothing."""
        try:
            return dict(httpx.get(self._serve, timeout=_ANSWER_S).json()["applications"])
        except (httpx.TransportError, KeyError, json.JSONDecodeError):
            return {}

    def _is_deployed(self, wanted: dict[str, Any]) -> bool:
        """Deploy as `serve deploy` does; False: nobody has taken it yet."""
        try:
            return httpx.put(self._serve, json=wanted, timeout=_START_S).is_success
        except httpx.TransportError:
            return False

    def _node(self, name: str, flags: str, *port_flags: str) -> None:
        """Start a node with a free port for each of these flags; one that ends as it starts is started again."""
        for attempt in range(_STARTS):
            ports = {flag: free_port() for flag in (*port_flags, "--dashboard-agent-listen-port")}
            node = RayNode(self._folder / f"{name}{attempt}", flags.split(), ports)
            self._nodes.append(node)
            self.wait_for(node.has_started)
            node.runs = not node.has_ended
            if node.runs:
                return
        raise AssertionError(f"a node of Ray ended {_STARTS} times as it started: {node.last_words}")

    def wait_for(self, until: Callable[[], bool]) -> None:
        """Wait until the condition holds. Nothing notifies: it is another program."""
        end = time.monotonic() + _START_S
        while not until():
            for node in list(self._nodes):
                assert not (node.runs and node.has_ended), f"a node of the cluster has ended: {node.last_words}"
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


@contextmanager
def ray_cluster(workers: int, cpus: int) -> Iterator[RayCluster]:
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = RayCluster(Path(folder))
        try:
            cluster.start(workers, cpus)
            yield cluster
        finally:
            cluster.stop()
