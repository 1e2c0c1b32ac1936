"""examples/react, built by Vite, in Chromium, served by another origin than the agent's."""

import shutil
import subprocess
from pathlib import Path

import pytest

from audio.pcm import silence
from bench.callers.browser import RATE, chromium, open_page
from tests.browser.driving import recording
from tests.clients.walks import environment
from tests.examples.running import EXAMPLES, TOLD_TIME, serving_a_model_that_calls
from tests.support.pulse import seconds_of_sound
from tests.support.speech import recordings, word_errors
from tests.support.web_folder import web_folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built page."""
    source = tmp_path_factory.mktemp("built") / "react"
    shutil.copytree(EXAMPLES / "react", source, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (source / "node_modules").symlink_to(environment("react") / "node_modules")
    subprocess.run(["npm", "run", "build"], cwd=source, check=True)
    return source / "dist"


async def test_the_page_answers_with_its_tool_and_hangs_up(built: Path) -> None:
    with web_folder(built) as origin:
        async with serving_a_model_that_calls("get_time", origin) as (url, model), chromium(silence(RATE)) as browser:
            call = await open_page(browser, f"{origin}/?server={url}", scripted=True)
            await call.page.click("button")
            await call.until("document.querySelector('button').textContent === 'Hang up'")
            await call.say(recording("turn_08"))
            await call.until(f"document.querySelector('.assistant')?.textContent === {TOLD_TIME!r}")
            assert word_errors(recordings()["turn_08"].text, await call.page.inner_text(".user")) <= 0.34
            await call.until("listening.events.some(({ type }) => type === 'output_audio_buffer.stopped')")
            assert seconds_of_sound((await call.sides()).loudspeaker[::2]) > 0.5
            assert ":" in model.asked[-1]["messages"][-1]["content"]
            await call.page.click("button")
            await call.until("document.querySelector('button').textContent === 'Talk'")
            assert await call.page.evaluate("listening.connections[0].connectionState") == "closed"
            assert call.complaints == []


async def test_the_page_shows_why_it_is_refused(built: Path) -> None:
    with web_folder(built) as origin:
        async with chromium(silence(RATE)) as browser:
            call = await open_page(browser, f"{origin}/?server=http://127.0.0.1:9", scripted=True)
            await call.page.click("button")
            await call.until("document.querySelector('[role=alert]')?.textContent")
            assert await call.page.inner_text("button") == "Talk"
