"""A server with the small model, a page of another origin, and questions that `antiphon say` has spoken."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.driving import ANTIPHON, started
from tests.examples.running import EXAMPLES
from tests.support.web_folder import web_folder

QUESTIONS = {"first": "What time is it, please?", "second": "Thank you. And what is the capital of France?"}


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """The words of each recording, by its path."""
    folder = tmp_path_factory.mktemp("questions")
    spoken = {folder / f"{name}.wav": text for name, text in QUESTIONS.items()}
    for path, text in spoken.items():
        subprocess.run([ANTIPHON, "say", text, "--out", path], check=True, capture_output=True)
    return spoken


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Another origin than the server's, which the server lets in, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "page.html").write_text((EXAMPLES / "page.html").read_text())
    with web_folder(folder) as origin:
        yield origin, folder


@pytest.fixture(scope="session")
def server(pages: tuple[str, Path]) -> Iterator[str]:
    """The URL of `antiphon serve`."""
    with started(ANTIPHON_SERVER__ALLOWED_ORIGINS=pages[0]) as (url, _):
        yield url


@pytest.fixture(scope="session")
def storyteller() -> Iterator[str]:
    """The URL of a server whose answers are long."""
    story = "You are an old sailor. Whatever is said, you go on telling a long story about the sea."
    with started(ANTIPHON_AGENT__INSTRUCTIONS=story) as (url, _):
        yield url
