"""The shape of the tree: who may import whom, how large a folder and how long a file may get."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "training", "realtime", "pipeline", "tts", "audio")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

MAX_LINES = 400
MAX_FILES = 13
"""Source files in a folder, `__init__.py` not counted."""

ALLOWED = {
    "audio": ("audio",),
    "tts": ("audio", "tts"),
    "pipeline": ("audio", "tts", "pipeline"),
    "realtime": ("audio", "tts", "pipeline", "realtime"),
    "bench": ("audio", "tts", "pipeline", "realtime", "bench"),
    "training": ("audio", "tts", "pipeline", "training"),
}
"""What each package may import of ours: the arrows are bench -> realtime -> pipeline -> tts -> audio."""

FLOORS = (
    ("realtime.cli", "realtime.cluster"),
    ("realtime.serve",),
    ("realtime.app",),
    (
        "realtime.observability",
        "realtime.webrtc",
        "realtime.websocket",
        "realtime.speech",
        "realtime.client_secrets",
        "realtime.readiness",
        "realtime.page",
    ),
    ("realtime.terminal",),
    ("realtime.sessions", "realtime.limits"),
    ("realtime.protocol", "realtime.settings", "realtime.access", "realtime.shared_redis"),
    ("realtime.spellings",),
    ("pipeline.agent",),
    ("pipeline.user_turns",),
    ("pipeline.answering",),
    ("pipeline.engine",),
    ("pipeline.backends", "pipeline.profiles", "pipeline.voice_catalogue"),
    ("pipeline.listening", "pipeline.thinking"),
    ("pipeline.conversation", "pipeline.inbox", "pipeline.weights"),
    ("pipeline.commands", "pipeline.events", "pipeline.settings"),
    ("pipeline.decoders",),
    ("pipeline.encoders",),
    ("pipeline.runtime",),
)
"""The rooms of the edges and the agent, from the roof down. Each may import from its own floor and from those below."""

EXCEPTIONS = {
    ("pipeline.commands", "pipeline.conversation.items"): "a command carries the item that it adds",
    ("pipeline.events", "pipeline.conversation.items"): "an event carries the item that it reports",
    ("pipeline.commands", "pipeline.thinking.schedule"): "a session's settings name the mode of thinking",
}
"""Values that commands and events carry, each with the reason."""

SEPARATE = (
    ("realtime.webrtc", "realtime.websocket"),
    ("realtime.terminal", "realtime.webrtc"),
    ("realtime.terminal", "realtime.websocket"),
    ("realtime.terminal", "realtime.sessions"),
    ("realtime.protocol", "realtime.settings"),
    ("realtime.access", "realtime.protocol"),
    ("pipeline.listening", "pipeline.thinking"),
    ("pipeline.conversation", "pipeline.weights"),
)
"""Rooms that may not import each other, in either direction: two transports, a client and the server it talks to."""


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Every module that is imported, wherever in the file, and every name taken from one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def lies_in(module: str, room: str) -> bool:
    return f"{module}.".startswith(f"{room}.")


def floor_of(module: str) -> int | None:
    found = [number for number, rooms in enumerate(FLOORS) if any(lies_in(module, room) for room in rooms)]
    return found[0] if found else None


def is_allowed(importer: str, target: str) -> bool:
    package = target.split(".")[0]
    if package not in PACKAGES:
        return True
    if package not in ALLOWED[importer.split(".")[0]]:
        return False
    if any(importer == source and lies_in(target, module) for source, module in EXCEPTIONS):
        return True
    for pair in SEPARATE:
        for one, other in (pair, pair[::-1]):
            if lies_in(importer, one) and lies_in(target, other):
                return False
    own, other_floor = floor_of(importer), floor_of(target)
    return own is None or other_floor is None or own <= other_floor


def violations(path: str, source: str) -> list[str]:
    package = module_of(path.rpartition("/")[0])
    targets = imported(ast.parse(source), package)
    return [target for target in targets if not is_allowed(module_of(path), target)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    assert violations(path.relative_to(ROOT).as_posix(), path.read_text()) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_hold_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_folders_hold_about_a_dozen_files() -> None:
    sizes = Counter(path.parent.relative_to(ROOT).as_posix() for path in SOURCES if path.name != "__init__.py")
    assert {folder: size for folder, size in sizes.items() if size > MAX_FILES} == {}


@pytest.mark.parametrize("package", ["pipeline", "realtime"])
def test_every_file_stands_on_a_floor(package: str) -> None:
    modules = [module_of(path.relative_to(ROOT).as_posix()) for path in SOURCES]
    homeless = [module for module in modules if lies_in(module, package) and floor_of(module) is None]
    assert homeless == [package]


@pytest.mark.parametrize(("importer", "target"), EXCEPTIONS)
def test_every_exception_is_needed(importer: str, target: str) -> None:
    path = ROOT / f"{importer.replace('.', '/')}.py"
    found = imported(ast.parse(path.read_text()), importer.rpartition(".")[0])
    assert any(lies_in(module, target) for module in found)


def test_tests_import_no_other_test() -> None:
    modules = sorted((ROOT / "tests").rglob("*.py"))
    found = {
        path.name: module
        for path in modules
        for module in imported(ast.parse(path.read_text()), "tests")
        if any(part.startswith("test_") for part in module.split(".")[:-1])
    }
    assert found == {}


@pytest.mark.parametrize(
    ("path", "source", "allowed"),
    [
        ("audio/pcm.py", "from tts.synthesizer import Clause", False),
        ("tts/engines/piper.py", "import pipeline.agent", False),
        ("tts/engines/piper.py", "def late():\n    from pipeline import agent", False),
        ("tts/engines/piper.py", "from ..synthesizer import Clause", True),
        ("pipeline/listening/vad.py", "from realtime.settings import Settings", False),
        ("pipeline/listening/vad.py", "from audio.pcm import Pcm", True),
        ("pipeline/listening/audio_input.py", "from pipeline.answering.floor import Floor", False),
        ("pipeline/listening/audio_input.py", "from pipeline.thinking.schedule import Mode", False),
        ("pipeline/answering/answer.py", "from pipeline.user_turns.coordinator import TurnCoordinator", False),
        ("pipeline/answering/answer.py", "from pipeline.thinking.schedule import Mode", True),
        ("pipeline/encoders/whisper/whisper.py", "from ...conversation import history", False),
        ("pipeline/encoders/whisper/whisper.py", "from pipeline import agent", False),
        ("pipeline/encoders/whisper/whisper.py", "from audio.pcm import INPUT_RATE", True),
        ("pipeline/decoders/llama_cpp/llama.py", "import pipeline.agent as agent", False),
        ("pipeline/commands.py", "from pipeline.conversation.items import Item", True),
        ("pipeline/commands.py", "from pipeline.conversation.history import History", False),
        ("realtime/app.py", "from pipeline.agent import Agent", True),
        ("realtime/cli/main.py", "from bench.commands import bench_app", False),
        ("realtime/terminal/client.py", "from realtime.protocol.audio_format import AudioFormat", True),
        ("realtime/terminal/client.py", "from realtime.sessions.outbox import Outbox", False),
        ("realtime/terminal/client.py", "from realtime.serve import listen", False),
        ("realtime/webrtc/call.py", "from realtime.websocket import serve", False),
        ("realtime/protocol/session.py", "from realtime.sessions.outbox import Outbox", False),
        ("bench/commands.py", "from realtime.settings import Settings", True),
    ],
)
def test_the_check_sees_every_kind_of_import(path: str, source: str, allowed: bool) -> None:
    assert (violations(path, source) == []) is allowed
