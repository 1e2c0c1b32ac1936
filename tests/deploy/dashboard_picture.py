"""Draws the Grafana dashboard with matplotlib, from a real Prometheus that scraped a real server: `make dashboard`.

    python -m tests.deploy.dashboard_picture docs/pictures/dashboard.png

The queries, the titles and the units are those of deploy/grafana/antiphon.json; only Grafana itself is not there.
"""

import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from openai import AsyncOpenAI
from websockets.exceptions import ConnectionClosed

from realtime.access.access import Access
from realtime.serve import loaded, make_server, metrics_port
from realtime.settings import MetricsSettings
from tests.support.serving import SETTINGS, WIRE, call
from tests.support.speech import recordings

matplotlib.use("agg")

DASHBOARD = Path(__file__).parents[2] / "deploy/grafana/antiphon.json"
METRICS_PORT, PROMETHEUS_PORT, PORT = 39464, 39090, 38000
SCRAPE_S, WINDOW_S, RUN_S = 2, 30, 120
COLUMNS = 3
SPOKEN = ("turn_04", "turn_12", "turn_06", "barge_02")
UNITS = {"s": "s", "ops": "per second", "short": "", "bytes": "bytes"}


async def talk(client: AsyncOpenAI, seed: int, until: float) -> None:
    """One caller after another, who ask, wait for the answer or break into it, and hang up."""
    chance = random.Random(seed)
    while time.monotonic() < until:
        try:
            async with call(client) as caller:
                for _ in range(chance.randint(1, 4)):
                    await caller.talk(recordings()[chance.choice(SPOKEN)].pcm(WIRE.rate))
                    await caller.answered()
        except (AssertionError, ConnectionClosed) as refused:  # a busy machine turns callers away: that is shown, too
            sys.stderr.write(f"{refused}\n")
        await asyncio.sleep(chance.uniform(0, 4))


async def knock(url: str, until: float) -> None:
    """Somebody without business here."""
    async with httpx.AsyncClient(trust_env=False) as client:
        while time.monotonic() < until:
            await client.post(f"{url}/v1/realtime/calls", headers={"Origin": "https://elsewhere.example"})
            await asyncio.sleep(random.uniform(0, 5))


@asynccontextmanager
async def prometheus(folder: Path) -> AsyncIterator[None]:
    jobs = [{"job_name": "antiphon", "static_configs": [{"targets": [f"127.0.0.1:{METRICS_PORT}"]}]}]
    own = folder / "prometheus.yml"
    own.write_text(json.dumps({"global": {"scrape_interval": f"{SCRAPE_S}s"}, "scrape_configs": jobs}))
    program = shutil.which("prometheus")
    assert program, "`make test-system` installs Prometheus"
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={own}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}",
        "--log.level=error",
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def query(client: httpx.AsyncClient, expression: str, begin: float, end: float) -> list[dict[str, Any]]:
    asked = {
        "query": expression.replace("$__rate_interval", f"{WINDOW_S}s"),
        "start": str(begin),
        "end": str(end),
        "step": str(SCRAPE_S),
    }
    answer = await client.get(f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/query_range", params=asked)
    series: list[dict[str, Any]] = answer.raise_for_status().json()["data"]["result"]
    return series


async def draw(panel: dict[str, Any], axes: Axes, client: httpx.AsyncClient, begin: float, end: float) -> None:
    for target in panel["targets"]:
        for series in await query(client, target["expr"], begin, end):
            label = target["legendFormat"]
            for name, value in series["metric"].items():
                label = label.replace(f"{{{{{name}}}}}", value)
            points = [(float(at) - begin, float(value)) for at, value in series["values"] if value != "NaN"]
            axes.plot(*zip(*points, strict=True) if points else ([], []), label=label, linewidth=1.2)
    axes.set_title(panel["title"], fontsize=10, loc="left")
    axes.set_ylabel(UNITS[panel["fieldConfig"]["defaults"]["unit"]], fontsize=7)
    axes.tick_params(labelsize=7)
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, end - begin)
    axes.grid(alpha=0.25)
    if axes.has_data():
        axes.legend(fontsize=6, ncols=2, frameon=False)


async def main(file: Path) -> None:
    short = SETTINGS.decoder.model_copy(update={"max_tokens": 60})
    settings = SETTINGS.model_copy(update={"metrics": MetricsSettings(port=METRICS_PORT), "decoder": short})
    with tempfile.TemporaryDirectory() as folder:
        async with loaded(settings) as engine, prometheus(Path(folder)):
            server = make_server(engine, settings, Access(), handles_signals=False)
            server.config.port = PORT
            serving = asyncio.create_task(server.serve())
            await server.answers.wait()
            url = f"http://127.0.0.1:{PORT}"
            begin, until = time.time(), time.monotonic() + RUN_S
            with metrics_port(settings, server):
                async with AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client, asyncio.TaskGroup() as people:
                    for seed in range(3):
                        people.create_task(talk(client, seed, until))
                    people.create_task(knock(url, until))
                await asyncio.sleep(2 * SCRAPE_S)
            panels = json.loads(DASHBOARD.read_text())["panels"]
            rows = -(-len(panels) // COLUMNS)
            figure, grid = plt.subplots(rows, COLUMNS, figsize=(15, 2.6 * rows), layout="constrained")
            async with httpx.AsyncClient(trust_env=False) as browser:
                for panel, axes in zip(panels, grid.flat, strict=True):
                    await draw(panel, axes, browser, begin, time.time())
            figure.supxlabel("seconds", fontsize=8)
            figure.savefig(file, dpi=90)
            server.should_exit = True
            await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
