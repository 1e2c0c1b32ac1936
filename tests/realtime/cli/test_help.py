"""What every command says of itself."""

import re
import shlex
from importlib.metadata import version

import pytest
import typer
from typer.testing import CliRunner

from realtime.cli.main import app

ROOT = typer.main.get_command(app)


def commands(path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words that lead to each command, groups included."""
    command = ROOT
    for name in path:
        command = command.commands[name]  # type: ignore[attr-defined]
    below = getattr(command, "commands", {})
    return [path, *(found for name in below for found in commands((*path, name)))]


def antiphon(*arguments: str) -> str:
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_the_version_is_that_of_the_package() -> None:
    assert antiphon("--version") == f"antiphon {version('antiphon')}\n"


def test_completion_can_be_installed() -> None:
    assert "--install-completion" in antiphon("--help")


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_help_has_examples_that_parse(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = antiphon(*path, "-h")
    lines = [line.strip() for line in shown.partition("Examples:")[2].splitlines() if line.strip()]
    assert lines
    for line in lines:
        program, *words = shlex.split(re.split(" [<>] ", line)[0])
        assert program == "antiphon"
        assert tuple(word for word in words if word in path)[: len(path)] == path
        parse(words)


def parse(words: list[str]) -> None:
    """Parse a command's words without running it. Raises click's errors."""
    context = ROOT.make_context("antiphon", list(words))
    while rest := [*context._protected_args, *context.args]:
        name, command, rest = context.command.resolve_command(context, rest)  # type: ignore[attr-defined]
        context = command.make_context(name, rest, parent=context)
