"""A real browser that holds a call: Chromium with a recording for a microphone, listened in on from the inside."""

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from pipeline.errors import PlainError
from pipeline.registry import MissingPackage
from realtime.wav import write_wav
from tts.synthesizer import Pcm

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

RATE = 48_000
"""Hz of the microphone and of what is recorded."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",  # it opens nothing but our own page, and a root user's Chromium has no sandbox
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
)
_LISTENING = Path(__file__).with_name("listening.js")


class NoBrowser(PlainError):
    """Chromium is not there; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What a page's microphone gave and what its loudspeaker got, at 48 kHz, from the same moment on."""

    microphone: Pcm
    loudspeaker: Pcm


class Call:
    """The demo's page in a browser, listened in on."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.complaints: list[str] = []
        """What the page's console says that is not mere information, and errors that nobody caught."""
        self.hosts: set[str] = set()
        """Whom the page asked for anything."""
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda websocket: self.hosts.add(urlsplit(websocket.url).netloc))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning", "assert"):
            self.complaints.append(text)

    async def start(self) -> None:
        """Press the button and wait until the conversation can begin."""
        await self.page.click("#start")
        await self.until("document.body.dataset.phase === 'live'")

    async def hang_up(self) -> None:
        """Let the server know: of a browser that is just closed it would hear nothing, and go on waiting."""
        await self.page.click("#end")
        await self.until("document.body.dataset.phase === 'idle'")

    async def until(self, condition: str, timeout_s: float = 60) -> None:
        """Wait for a condition in JavaScript. Raises `TimeoutError`, which says how the page stood then."""
        # Playwright's own `wait_for_function` calls eval, which the page's policy forbids.
        wait = f"new Promise((go) => {{ const look = () => ({condition}) ? go() : setTimeout(look, 20); look(); }})"
        try:
            async with asyncio.timeout(timeout_s):
                await self.page.evaluate(wait)
        except TimeoutError:
            seen = await self.page.inner_text("body")
            raise TimeoutError(f"waited {timeout_s:g} s for {condition}, and the page says: {seen}") from None

    async def events(self) -> list[dict[str, Any]]:
        """What the server has said so far, each with the second of the recording, `at_s`, in which it came. Of its
        audio only that there was some."""
        events: list[dict[str, Any]] = await self.page.evaluate("listening.events")
        return events

    async def say(self, pcm: Pcm) -> None:
        """Speak samples at 48 kHz into a microphone that is scripted; returns when they are said."""
        await self.page.evaluate("(samples) => listening.say(samples)", _encoded(pcm))

    async def sides(self) -> Sides:
        """What was heard and played since the page was opened."""
        microphone, loudspeaker = await self.page.evaluate("listening.recorded()")
        return Sides(_samples(microphone), _samples(loudspeaker))


@asynccontextmanager
async def chromium(microphone: Pcm | None = None, *flags: str) -> AsyncIterator["Browser"]:
    """A browser of its own. `microphone`: what is said into it, at 48 kHz, from the moment it is opened, with silence
    behind; None: there is none. Raises `MissingPackage` and `NoBrowser`."""
    try:
        from playwright.async_api import async_playwright
    except ImportError as error:
        raise MissingPackage("playwright is not installed: pip install 'antiphon[bench]'") from error
    program = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if program is None:
        raise NoBrowser("there is no Chromium on this machine (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory() as folder:
        if microphone is not None:
            spoken = Path(folder) / "microphone.wav"
            write_wav(spoken, microphone, RATE)
            flags += (
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={spoken}%noloop",
            )
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=[*_FLAGS, *flags])
            try:
                yield browser
            finally:
                await browser.close()


async def open_page(
    browser: "Browser",
    url: str,
    chosen: Mapping[str, str] | None = None,
    api_key: str = "",
    scripted: bool = False,
    **context: Any,  # noqa: ANN401 - what Playwright's `new_context` takes
) -> Call:
    """The demo's page at `url`, in a context of its own, with these settings `chosen` before. `scripted`: its
    microphone also hears what `say` says."""
    opened = await browser.new_context(**context)
    await opened.add_init_script(path=_LISTENING)
    if scripted:
        await opened.add_init_script("listening.isScripted = true;")
    stored = [("localStorage", "antiphon", json.dumps(chosen or {})), ("sessionStorage", "antiphon-key", api_key)]
    for storage, name, value in stored:
        await opened.add_init_script(f"{storage}.setItem({json.dumps(name)}, {json.dumps(value)});")
    call = Call(await opened.new_page())
    await call.page.goto(url)
    return call


def _encoded(pcm: Pcm) -> str:
    return base64.b64encode((np.clip(pcm, -1, 1) * 32767).astype("<i2").tobytes()).decode()


def _samples(encoded: str) -> Pcm:
    return np.frombuffer(base64.b64decode(encoded), "<i2").astype(np.float32) / np.float32(32767)
