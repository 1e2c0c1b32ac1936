"""How every command of the command line runs and fails."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from pipeline.errors import PlainError


def run(work: Callable[[], Coroutine[Any, Any, None]], interrupted: int = 130) -> None:
    """Run a command to its end. What a person can mend is said in plain words, with exit code 1.

    `interrupted`: the exit code when Ctrl-C ends it; 0 where that is how it is meant to end.
    """
    try:
        asyncio.run(work())
    except* PlainError as errors:
        Console(stderr=True).print(Text(f"✗ {_first(errors)}", "red"), soft_wrap=True)
        raise typer.Exit(1) from None
    except* KeyboardInterrupt:
        raise typer.Exit(interrupted) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
