"""The measured figures of docs/scaling.md, on an idle machine: `RAY_PYTHON -m tests.cluster.scale`.

One machine, with 1, 2 and 4 replicas of the profile tiny, and virtual users who speak recordings in real time. The
cores and the memory that each part takes are those of its processes.
"""

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

import psutil

from bench.corpus import Recording, read_corpus
from bench.running import BUNDLED_RECORDINGS
from bench.scale import Load, measure
from realtime.protocol.audio_format import WIRE_RATE
from realtime.terminal.client import server_url
from tests.cluster.conftest import redis_server
from tests.cluster.ray_cluster import RayCluster, ray_cluster

REPLICAS = (1, 2, 4)
USERS = (2, 4, 6)
_PROXY = "ray::ProxyActor"


def main() -> None:
    corpus = read_corpus(BUNDLED_RECORDINGS, ("turn",), WIRE_RATE)[::3]
    with redis_server() as redis_url, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        # first_packet_s: a machine with too many users is measured, and refuses none.
        server = f'max_sessions = {max(USERS)}\nfirst_packet_s = 0\nshared_store = "{redis_url}"'
        config.write_text(f'profile = "tiny"\n[server]\n{server}\n')
        with ray_cluster(workers=2, cpus=max(REPLICAS) // 2) as cluster:
            print("| replicas | users | answered | p50 ms | p90 ms | agents' cores | proxy's | GiB a replica |")
            print("|---:|---:|---:|---:|---:|---:|---:|---:|")
            for replicas in REPLICAS:
                cluster.deploy(replicas, config=config)
                cluster.settle(replicas)
                for users in USERS:
                    print(_row(cluster, corpus, users), flush=True)


def _row(cluster: RayCluster, corpus: list[Recording], users: int) -> str:
    agents = [psutil.Process(pid) for pid in cluster.processes().values()]
    running = psutil.process_iter(["cmdline"])
    proxies = [process for process in running if " ".join(process.info["cmdline"] or ()).startswith(_PROXY)]
    began, agents_s, proxies_s = monotonic(), _cpu_s(agents), _cpu_s(proxies)
    [load] = asyncio.run(measure(server_url(cluster.address), "", corpus, [users])).loads
    took_s = monotonic() - began
    memory = max(agent.memory_info().rss for agent in agents) / 2**30
    cores, edge = (_cpu_s(agents) - agents_s) / took_s, (_cpu_s(proxies) - proxies_s) / took_s
    return f"| {len(agents)} | {users} | {_times(load)} | {cores:.2f} | {edge:.3f} | {memory:.2f} |"


def _times(load: Load) -> str:
    p50, p90 = load.voice_to_voice_p50_ms, load.voice_to_voice_p90_ms
    return f"{load.answered} of {load.turns} | {p50 or 0:.0f} | {p90 or 0:.0f}"


def _cpu_s(processes: Iterable[psutil.Process]) -> float:
    """The CPU time that these have taken so far, in seconds."""
    seconds: float = sum(times.user + times.system for times in (process.cpu_times() for process in processes))
    return seconds


if __name__ == "__main__":
    main()
