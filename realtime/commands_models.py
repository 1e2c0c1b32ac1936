"""antiphon models: what weights there are, fetch them, read them through."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pipeline.errors import PlainError
from pipeline.models import Model, ModelError, ModelStore, State, needed_models
from pipeline.registry import check_held
from realtime.settings import Settings, SettingsError, load_settings

models_app = typer.Typer(help="The models' weights: list, fetch and check them.")

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)]

_STYLES: dict[State, str] = {"ready": "green", "missing": "yellow", "damaged": "red"}


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the models: name, role, size, licence, source and state."""
    try:
        context.obj = load_settings(config)
    except SettingsError as error:
        _refuse(str(error))
    if context.invoked_subcommand is not None:
        return
    store = _store(context.obj)
    if as_json:
        rows = [_as_data(name, model, store.state(name)) for name, model in store.models.items()]
        typer.echo(json.dumps(rows, indent=2))
    else:
        Console().print(_as_table(store, needed_models(context.obj)))


@models_app.command()
def pull(
    context: typer.Context,
    names: Names = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read through what is here already.")] = False,
) -> None:
    """Fetch models: those named, or those that the settings need."""
    settings: Settings = context.obj
    store, console = _store(settings), Console(stderr=True)
    failed = False
    with _progress(console) as progress:
        for name in names or needed_models(settings):
            task = progress.add_task(name, total=None, visible=False)

            def report(done: int, total: int, task: TaskID = task) -> None:
                progress.update(task, completed=done, total=total, visible=True)

            try:
                if verify and store.state(name) == "ready":
                    _reread(store, name)
                if doubt := _too_large(store, name, settings.decoder.device):
                    progress.console.print(Text(f"! {doubt}", "yellow"), soft_wrap=True)
                path = store.resolve(name, report)
            except ModelError as error:
                failed = True
                progress.console.print(Text(f"✗ {error}", "red"), soft_wrap=True)
            else:
                progress.console.print(Text(f"✓ {name}: {path}"), soft_wrap=True)
            finally:
                progress.remove_task(task)
    if failed:
        raise typer.Exit(1)


@models_app.command()
def verify(context: typer.Context, names: Names = None) -> None:
    """Read models through and compare them: those named, or those that are here or that the settings need."""
    settings: Settings = context.obj
    store, console = _store(settings), Console()
    here = [name for name in store.models if store.state(name) != "missing"]
    failed = False
    for name in names or dict.fromkeys([*needed_models(settings), *here]):
        try:
            store.verify(name)
        except ModelError as error:
            failed = True
            console.print(Text(f"✗ {error}", "red"), soft_wrap=True)
        else:
            console.print(Text(f"✓ {name}"), soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _store(settings: Settings) -> ModelStore:
    return ModelStore(settings.models.cache, settings.models.offline)


def _too_large(store: ModelStore, name: str, device: str) -> str:
    """Why this machine can't hold a model that is fetched, perhaps for another one; "" if it can."""
    model = store.models.get(name.partition("@")[0])
    if model is None or not model.parameters or store.state(name) == "ready":
        return ""
    try:
        check_held(name, device, store)
    except PlainError as error:
        return str(error)
    return ""


def _reread(store: ModelStore, name: str) -> None:
    try:
        store.verify(name)
    except ModelError:
        # Nothing to say: the resolve that follows finds the same and fetches the model anew.
        return


def _as_data(name: str, model: Model, state: State) -> dict[str, object]:
    return {
        "name": name,
        "role": model.role,
        "about": model.about,
        "bytes": model.size,
        "licence": model.licence,
        "sources": [str(source) for source in model.sources],
        "state": state,
    }


def _as_table(store: ModelStore, needed: Sequence[str]) -> Table:
    table = Table("name", "role", "size", "licence", "sources", "state", box=None, pad_edge=False)
    table.caption, table.caption_justify = "Bold: what the settings need. Details: --json", "left"
    table.columns[0].no_wrap = True
    table.columns[2].justify = "right"
    for name, model in store.models.items():
        state = store.state(name)
        table.add_row(
            Text(name, "bold" if name in needed else ""),
            Text(model.role),
            Text(f"{model.size / 1e6:,.0f} MB", no_wrap=True),
            Text(model.licence),
            Text(", ".join(source.kind for source in model.sources)),
            Text(state, _STYLES[state]),
        )
    return table


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _refuse(message: str) -> None:
    Console(stderr=True).print(Text(message, "red"), soft_wrap=True)
    raise typer.Exit(2)
