"""The shape of the tree: who may import whom, and how long a file may get."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("realtime", "pipeline", "tts")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

MAX_LINES = 400

FORBIDDEN = {
    "tts": ("pipeline", "realtime"),
    "pipeline": ("realtime",),
    "pipeline/encoders": ("pipeline.agent", "pipeline.conversation", "pipeline.commands", "pipeline.events"),
    "pipeline/decoders": ("pipeline.agent", "pipeline.conversation", "pipeline.commands", "pipeline.events"),
}
"""What the files under a folder must not import: the arrows are realtime -> pipeline -> tts, and models know
nothing of conversations."""


def imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Every module that is imported, wherever in the file, and every name taken from one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def violations(path: str, source: str) -> list[str]:
    folder = path.rpartition("/")[0]
    forbidden = [name for under, names in FORBIDDEN.items() if f"{folder}/".startswith(f"{under}/") for name in names]
    return [
        module
        for module in imported(ast.parse(source), folder.replace("/", "."))
        if any(f"{module}.".startswith(f"{name}.") for name in forbidden)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    assert violations(path.relative_to(ROOT).as_posix(), path.read_text()) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_hold_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize(
    ("path", "source", "allowed"),
    [
        ("tts/piper.py", "import pipeline.audio", False),
        ("tts/piper.py", "def late():\n    from pipeline import audio", False),
        ("tts/piper.py", "from .synthesizer import Pcm", True),
        ("pipeline/vad.py", "from realtime.settings import Settings", False),
        ("pipeline/vad.py", "from tts.synthesizer import Pcm", True),
        ("pipeline/encoders/whisper.py", "from ..conversation import Conversation", False),
        ("pipeline/encoders/whisper.py", "from pipeline import agent", False),
        ("pipeline/encoders/whisper.py", "from pipeline.audio import INPUT_RATE", True),
        ("pipeline/decoders/llama.py", "import pipeline.agent as agent", False),
        ("realtime/app.py", "from pipeline.agent import Agent", True),
    ],
)
def test_the_check_sees_every_kind_of_import(path: str, source: str, allowed: bool) -> None:
    assert (violations(path, source) == []) is allowed
