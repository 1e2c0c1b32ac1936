"""Every command of the documents exists, with the options and arguments that it is given there."""

import importlib.util
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from realtime.cli.main import app
from tests.docs.documents import ROOT, blocks, spans
from tts.engines.coqui_server import PACKAGES

_FOREIGN = {"accelerate", "docker", "git", "hf", "pipx", "ray", "redis-server", "rm", "serve", "source", "uv", "vllm"}
"""Programs of others, whose options are not checked."""

_COMMAND = re.compile(r"(antiphon|make|pipx|python|pytest|source|uv) \S|(make|antiphon)$")
"""How code within the text begins if it is a command."""

_NO_COMMANDS = ("architecture.md", "endpointing: ")
"""Indented blocks that are not commands: the document, or how the block begins."""


def commands() -> Iterator[tuple[str, list[str]]]:
    """The words of each command, without comments and redirections, and where it stands."""
    shown = [block for block in blocks("sh") if not {block.document, block.text[:13]} & set(_NO_COMMANDS)]
    for block in [*shown, *(span for span in spans() if _COMMAND.match(span.text))]:
        for line in block.text.replace("\\\n", " ").splitlines():
            for command in re.split(r"&&|[<>] \S+$", line):
                if words := shlex.split(command, comments=True):
                    yield str(block), words


COMMANDS = list(commands())


@pytest.mark.parametrize(("place", "words"), COMMANDS, ids=[f"{place} {' '.join(words)}" for place, words in COMMANDS])
def test_the_command_exists(place: str, words: list[str]) -> None:
    while re.match(r"(ANTIPHON|VLLM)_\w+=", words[0]):  # test_settings checks ours
        words = words[1:]
    program, arguments = Path(words[0]).name, words[1:]
    match program:
        case "antiphon":
            parse(arguments)
        case "make":
            subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, check=True, capture_output=True)
        case "python" if arguments[0] == "-m":
            assert importlib.util.find_spec(arguments[1]) is not None
        case "python":
            source = (ROOT / arguments[0]).read_text(encoding="utf-8")
            assert all(f'"{word}"' in source for word in arguments if word.startswith("--"))
        case "pytest":
            assert all((ROOT / path).exists() for path in arguments)
        case "pip":
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert set(re.findall(r"(?:antiphon|\.)\[(\w+)\]", " ".join(arguments))) <= set(extras)
        case _:
            assert program in _FOREIGN, f"{place}: no test knows {program}"


def parse(words: list[str]) -> None:
    """Parse the arguments of `antiphon`, down to the last command, which is not run. Raises what a user would see.

    A command alone is a mention: it may lack what it needs.
    """
    if words == ["--install-completion"]:  # it would change the shell's start-up files
        return
    command, name, context = get_command(app), "antiphon", None
    while words:
        context = command.make_context(name, list(words), parent=context)
        if not isinstance(command, TyperGroup):
            return
        found, inner, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert inner is not None
        command, name = inner, str(found)


@pytest.mark.parametrize(
    "words", [["serve", "--prot", "9000"], ["sing"], ["say", "--out", "a.wav"], ["bench", "wer", "-x"]]
)
def test_a_command_that_does_not_exist_is_noticed(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|Missing"):
        parse(words)


def test_files_that_commands_name_exist() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    named = {path for _, words in COMMANDS for word in words for path in re.findall(r"[\w.-]+(?:/[\w.-]+)+", word)}
    ours = {path for path in named if path.split("/")[0] in folders}
    assert len(ours) > 3
    assert {path for path in ours if not (ROOT / path).exists()} == set()


def test_the_packages_that_are_advised_for_coqui_tts_are_those_of_its_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [re.match(r"[\w-]+", package)[0] for package in extras["xtts"]] == PACKAGES.split()  # type: ignore[index]
    (shown,) = [words for _, words in COMMANDS if "coqui-tts" in words]
    assert shown[-4:] == PACKAGES.split()
