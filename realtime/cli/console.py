"""Running a command of the command line, and reporting its failure."""

import asyncio
import shutil
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from audio.errors import PlainError, first_error

_UNBOUNDED = 10_000
"""Columns, more than any table has."""

CONTEXT = {"help_option_names": ["-h", "--help"]}
"""Context settings of the root command, which its subcommands inherit."""


def examples(*commands: str) -> str:
    """The end of a command's help: examples, one a line."""
    return "\n\n".join(("Examples:", *commands))


def program() -> str:
    """How to run this command line in another terminal: "antiphon" if that finds it, else its path."""
    own = Path(sys.argv[0]).absolute()
    if own.name == "__main__.py":
        return f"{sys.executable} -m realtime.cli"
    found = shutil.which(own.name)
    return own.name if found and Path(found).absolute() == own else str(own)


def output() -> Console:
    """The console for results. In a file or a pipe, lines are as long as they are, so that no column is cut."""
    console = Console()
    return console if console.is_terminal else Console(width=_UNBOUNDED)


def run(work: Callable[[], Coroutine[Any, Any, None]], interrupted: int = 130) -> None:
    """Run a command to its end. A `PlainError` is printed without a traceback, and the exit code is 1.

    `interrupted`: exit code when Ctrl-C ends the command; 0 if that is how it normally ends.
    """
    try:
        asyncio.run(work())
    except* PlainError as errors:
        Console(stderr=True).print(Text(f"✗ {first_error(errors)}", "red"), soft_wrap=True)
        raise typer.Exit(1) from None
    except* KeyboardInterrupt:
        raise typer.Exit(interrupted) from None
