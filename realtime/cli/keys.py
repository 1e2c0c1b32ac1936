"""antiphon keys: the API keys with names, which open a server to those who hold them."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from realtime.access.api_keys import KeysFile, keys_file
from realtime.cli.console import CONTEXT, examples, output, run
from realtime.settings import load_settings

keys_app = typer.Typer(
    help="The API keys with names: make, list and remove them. A running server follows at once.",
    context_settings=CONTEXT,
    no_args_is_help=True,
    epilog=examples("antiphon keys add phone", "antiphon keys list", "antiphon keys remove phone"),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Who or what the key is for.", show_default=False)]
Config = Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")]


@keys_app.command(epilog=examples("antiphon keys add phone", "antiphon keys add phone > phone.key"))
def add(name: Name, config: Config = None) -> None:
    """Make a key and print it. Only its hash is stored, so this is the one time that it is shown."""

    async def work() -> None:
        file = _file(config)
        key = file.add(name, f"{datetime.now(UTC):%Y-%m-%d}")
        note = f"The key '{name}' is shown only now. Its hash is in {file.path}; the server requires a key from now on."
        Console(stderr=True).print(Text(note, "dim"), soft_wrap=True)
        typer.echo(key)

    run(work)


@keys_app.command("list", epilog=examples("antiphon keys list", "antiphon keys list --json"))
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False, config: Config = None
) -> None:
    """List the names of the keys, and when each was made."""

    async def work() -> None:
        file = _file(config)
        keys = file.read()
        if as_json:
            typer.echo(json.dumps([asdict(key) for key in keys], indent=2))
            return
        table = Table("name", "made", "SHA-256", box=None)
        for key in keys:
            table.add_row(key.name, key.created, f"{key.sha256[:12]}…")
        output().print(table if keys else Text(f"no key in {file.path}", "dim"), soft_wrap=True)

    run(work)


@keys_app.command(epilog=examples("antiphon keys remove phone"))
def remove(name: Name, config: Config = None) -> None:
    """Remove a key: it and the ephemeral keys made with it open no session any more. Open ones continue."""

    async def work() -> None:
        _file(config).remove(name)

    run(work)


def _file(config: Path | None) -> KeysFile:
    return KeysFile(keys_file(load_settings(config).server.keys_file))
