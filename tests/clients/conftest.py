"""A real server with the small model, and the recordings that the clients speak."""

import asyncio
import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realtime.protocol.audio_format import AudioFormat
from tests.browser.driving import started
from tests.clients.walks import CLIENTS, PROGRAMS, Walk, walk
from tests.support.speech import recordings
from tests.support.web_folder import web_folder

_SPOKEN = ("turn_04", "turn_12", "turn_06", "barge_02")
_WIRE = AudioFormat("audio/pcm", 24_000)


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recordings as pcm16 at 24 kHz, NAME.pcm."""
    folder = tmp_path_factory.mktemp("spoken")
    for name in _SPOKEN:
        (folder / f"{name}.pcm").write_bytes(_WIRE.encode(recordings()[name].pcm(_WIRE.rate)))
    return folder


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a page of another origin than the server's, which holds the JavaScript client."""
    root = tmp_path_factory.mktemp("page")
    for program in PROGRAMS.glob("*.mjs"):
        shutil.copy(program, root)
    shutil.copytree(CLIENTS / "node/node_modules/@openai/agents-realtime/dist/bundle", root / "sdk")
    (root / "recordings").mkdir()
    for name in _SPOKEN:
        shutil.copy(recordings()[name].path, root / "recordings")
    (root / "index.html").write_text('<!doctype html><script type="module" src="agents_page.mjs"></script>')
    with web_folder(root) as origin:
        yield origin


@pytest.fixture(scope="session")
def server(page: str) -> Iterator[str]:
    """The URL of `antiphon serve`, which lets the page in; afterwards no session may be left."""
    with started(ANTIPHON_DECODER__MODEL="smollm2-135m-instruct", ANTIPHON_SERVER__ALLOWED_ORIGINS=page) as (url, _):
        yield url
        with urllib.request.urlopen(f"{url}/health") as answer:
            assert json.load(answer)["sessions"] == 0, "a client that has closed still holds a session"


@pytest.fixture(scope="session")
def take(server: str, spoken: Path) -> Callable[[list[str]], Walk]:
    """Runs a client's program to its end."""
    return lambda command: asyncio.run(walk(command, server, str(spoken)))
