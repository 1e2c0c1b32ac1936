"""Options and steps that the commands of `bench` have in common."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from pipeline.weights.store import ModelStore
from realtime.cli.console import run
from realtime.settings import Settings, load_settings

if TYPE_CHECKING:
    from bench.report import Report

BUNDLED_RECORDINGS = Path(__file__).parent / "recordings"

Progress = Callable[[str], None]
"""Takes messages about the progress of a benchmark."""

Corpus = Annotated[
    Path, typer.Option(help="Folder of recordings with a manifest.json.", show_default="the bundled recordings")
]
Url = Annotated[str | None, typer.Option(help="Server to measure.", show_default="one in this process")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Out = Annotated[Path | None, typer.Option(help="File for the figures, as JSON.", show_default=False)]
Picture = Annotated[Path | None, typer.Option(help="File for a picture, .png or .svg.", show_default=False)]
Config = Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")]


@asynccontextmanager
async def serving(url: str | None, settings: Settings, progress: Progress) -> AsyncIterator[str]:
    """URL of the server to measure: that at `url`, or one in this process."""
    from realtime.serve import loaded, running
    from realtime.terminal.client import server_url

    if url is not None:
        yield server_url(url)
        return
    async with loaded(settings, progress) as engine, running(engine, settings) as here:
        yield here


def report(
    measured: Callable[[Settings, Progress], Awaitable["Report"]],
    as_json: bool,
    out: Path | None,
    picture: Path | None,
    config: Path | None,
) -> None:
    """Run one benchmark with the settings in `config`, and show its report as the options ask."""

    async def work() -> None:
        from bench.report import Output

        output = Output(as_json, out, picture)
        with Console(stderr=True).status("loading …") as status:
            report = await measured(load_settings(config), lambda line: status.update(Text(line)))
        output.show(report)

    run(work)


def store_of(settings: Settings) -> ModelStore:
    """The store of weights that `settings` name."""
    return ModelStore(settings.models.cache, settings.models.offline)


def listed(names: str) -> list[str]:
    """The names of a list with commas."""
    return [name.strip() for name in names.split(",")]
