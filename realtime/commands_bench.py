"""antiphon bench: the programs of bench/ on the command line."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from realtime.console import run
from realtime.settings import load_settings

bench_app = typer.Typer(help="Measure: latency.", no_args_is_help=True)

_CORPUS = Path(__file__).parent.parent / "tests" / "recordings"


@bench_app.callback()
def bench() -> None:
    """Measure how quick and how good it is on this machine."""


@bench_app.command()
def latency(
    corpus: Annotated[Path, typer.Option(help="Folder of recordings with a manifest.json.")] = _CORPUS,
    detection: Annotated[str, typer.Option(help="server_vad or semantic_vad.")] = "semantic_vad",
    conversations: Annotated[int, typer.Option(min=1, help="Conversations at once.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Times that each recording is spoken.")] = 1,
    url: Annotated[str | None, typer.Option(help="Server to measure.", show_default="one in this process")] = None,
    out: Annotated[Path | None, typer.Option(help="File for the figures, as JSON.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")] = None,
) -> None:
    """Speak recorded turns in real time; print the time from the last sample of each to the answer's first."""

    async def work() -> None:
        from bench.caller import read_corpus
        from bench.latency import Report, measure
        from realtime.serve import loaded, running
        from realtime.waterfall import waterfall

        err = Console(stderr=True)
        settings = load_settings(config)
        spoken = read_corpus(corpus, ("turn", "pause"))
        key = settings.server.api_key.get_secret_value()
        with err.status("loading …") as status:

            async def measured(address: str) -> Report:
                return await measure(
                    address,
                    key,
                    spoken,
                    detection="server_vad" if detection == "server_vad" else "semantic_vad",
                    conversations=conversations,
                    repeats=repeats,
                    tell=lambda line: status.update(Text(line)),
                )

            if url is not None:
                report = await measured(url)
            else:
                async with loaded(settings) as engine, running(engine, settings) as here:
                    report = await measured(here)
        Console().print(report.as_table())
        Console().print(waterfall(report.stages()))
        if out is not None:
            out.write_text(json.dumps(report.as_data(), indent=1, ensure_ascii=False), encoding="utf-8")

    run(work)
