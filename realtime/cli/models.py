"""antiphon models: what weights there are, fetch them, check them, delete them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from audio.errors import PlainError
from pipeline.backends import check_held
from pipeline.profiles import ProfileName
from pipeline.weights.store import Model, ModelError, ModelStore, State, needed_models
from realtime.cli.console import CONTEXT, examples, output
from realtime.cli.profile_choice import fallback_sentence
from realtime.settings import Settings, SettingsError, load_settings

models_app = typer.Typer(
    help="The models' weights: list, fetch, check and delete them.",
    context_settings=CONTEXT,
    epilog=examples("antiphon models", "antiphon models --json", "antiphon models pull"),
)

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)]

_TOKENS = 4096
"""Length of a conversation, as in the profile able."""

_BYTES_READ_PER_S = 29e9
"""Writing a token reads all weights once. Qwen2.5-Coder-1.5B Q4_K_M (1.12 GB) writes 26 tokens a second with two
threads on two quiet cores with AVX2."""

_MOST_TOKENS_PER_S = 111
"""What the smallest model writes there, which is not limited by memory."""

_CAPTION = (
    "Bold: what the settings need. memory, tokens/s: of a decoder on two CPU cores, computed from its size. "
    "Use another one: antiphon serve --decoder NAME. Details: --json"
)

_STYLES: dict[State, str] = {"ready": "green", "missing": "yellow", "damaged": "red"}


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")] = None,
    profile: Annotated[
        ProfileName | None, typer.Option(help="The set of settings whose models are needed.", show_default="able")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the models: name, role, size, licence, source and state."""
    try:
        context.obj = load_settings(config, {"profile": profile} if profile else None)
    except SettingsError as error:
        _refuse(str(error))
    if context.invoked_subcommand is not None:
        return
    store = _store(context.obj)
    if as_json:
        rows = [_as_data(name, model, store.state(name)) for name, model in store.models.items()]
        typer.echo(json.dumps(rows, indent=2))
    else:
        output().print(_as_table(store, needed_models(context.obj)))
        output().print(Text(f"Downloaded to {store.folder}", "dim"), soft_wrap=True)


@models_app.command(
    epilog=examples("antiphon models pull", "antiphon models pull qwen3-4b", "antiphon models --profile tiny pull")
)
def pull(
    context: typer.Context,
    names: Names = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check what is already here, too.")] = False,
) -> None:
    """Fetch models: those named, or those that the settings need."""
    settings: Settings = context.obj
    store, console = _store(settings), Console(stderr=True)
    failed = False
    if not names and (sentence := fallback_sentence(settings)):
        console.print(Text(f"! {sentence}", "yellow"), soft_wrap=True)
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


@models_app.command(epilog=examples("antiphon models verify", "antiphon models verify qwen3-4b"))
def verify(context: typer.Context, names: Names = None) -> None:
    """Check models against their checksums: those named, or those that are here or that the settings need."""
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


@models_app.command(epilog=examples("antiphon models rm qwen3-4b", "antiphon models rm --all"))
def rm(
    context: typer.Context,
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all of them.")] = False,
) -> None:
    """Delete downloaded models, to free their disk space. They are downloaded again when they are needed."""
    store, console = _store(context.obj), Console(stderr=True)
    if bool(names) == everything:
        raise typer.BadParameter("name the models, or say --all")
    failed = False
    for name in names or [""]:
        try:
            freed = store.remove(name) if name else store.remove_all()
        except ModelError as error:
            failed = True
            console.print(Text(f"✗ {error}", "red"), soft_wrap=True)
        else:
            console.print(Text(f"✓ {name or store.folder}: {freed / 1e6:,.0f} MB freed"), soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _store(settings: Settings) -> ModelStore:
    return ModelStore(settings.models.cache, settings.models.offline)


def _too_large(store: ModelStore, name: str, device: str) -> str:
    """Why this machine cannot hold a model (it may be fetched for another one); "" if it can."""
    model = store.models.get(name.partition("@")[0])
    if model is None or not (model.parameters or model.in_llama) or store.state(name) == "ready":
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
        # The resolve that follows finds the same fault and fetches the model again.
        return


def _as_data(name: str, model: Model, state: State) -> dict[str, object]:
    return {
        "name": name,
        "role": model.role,
        "about": model.about,
        "bytes": model.size,
        "licence": model.licence,
        "memory_bytes": _memory(model),
        "computed_tokens_per_s": _tokens_per_s(model),
        "sources": [str(source) for source in model.sources],
        "state": state,
    }


def _as_table(store: ModelStore, needed: Sequence[str]) -> Table:
    table = Table("name", "role", "size", "memory", "tokens/s", "licence", "sources", "state", box=None, pad_edge=False)
    table.caption, table.caption_justify = _CAPTION, "left"
    table.columns[0].no_wrap = True
    for column in table.columns[2:5]:
        column.justify = "right"
    for name, model in store.models.items():
        state = store.state(name)
        table.add_row(
            Text(name, "bold" if name in needed else ""),
            Text(model.role),
            Text(f"{model.size / 1e6:,.0f} MB", no_wrap=True),
            Text(f"{memory / 1e9:.1f} GB" if (memory := _memory(model)) else "", no_wrap=True),
            Text(f"{speed:.0f}" if (speed := _tokens_per_s(model)) else ""),
            Text(model.licence),
            Text(", ".join(source.kind for source in model.sources)),
            Text(state, _STYLES[state]),
        )
    return table


def _memory(model: Model) -> int | None:
    """Bytes of memory that a decoder takes in llama.cpp, with the KV caches of two conversations; None for others."""
    return model.size + 2 * model.cached_bytes(_TOKENS) if model.in_llama else None


def _tokens_per_s(model: Model) -> float | None:
    """What a decoder writes on two cores, computed from its size; None for models outside llama.cpp."""
    return min(_BYTES_READ_PER_S / model.size, _MOST_TOKENS_PER_S) if model.in_llama else None


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
