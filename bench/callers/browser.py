"""A call in a real browser: Chromium with a recording as its microphone, recorded from inside the page."""

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

from openai import AsyncOpenAI

from audio.errors import PlainError
from audio.pcm import Pcm
from audio.pcm16 import decode_pcm16, encode_pcm16
from audio.sound_file import write_wav
from pipeline.backends import MissingPackage, not_installed

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

RATE = 48_000
"""Hz of the microphone and of the recordings."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",  # it opens only our own page, and Chromium has no sandbox for root
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
    """Chromium is missing. The message states what to install."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Recordings of a page's microphone and loudspeaker at 48 kHz, which begin at the same moment."""

    microphone: Pcm
    loudspeaker: Pcm


class Call:
    """The demo's page in a browser, with its audio and events recorded."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.complaints: list[str] = []
        """Warnings and errors from the page's console, and uncaught exceptions."""
        self.hosts: set[str] = set()
        """Hosts that the page sent requests to."""
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda websocket: self.hosts.add(urlsplit(websocket.url).netloc))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning", "assert"):
            self.complaints.append(text)

    async def start(self) -> None:
        """Press the start button and wait until the conversation can begin."""
        await self.page.click("#start")
        await self.until("document.body.dataset.phase === 'live'")

    async def hang_up(self) -> None:
        """End the call. (If the browser were just closed, the server would not notice and keep waiting.)"""
        await self.page.click("#end")
        await self.until("document.body.dataset.phase === 'idle'")

    async def until(self, condition: str, timeout_s: float = 60) -> None:
        """Wait for a condition in JavaScript. Raises `TimeoutError` with the page's text at that time."""
        # Playwright's own `wait_for_function` calls eval, which the page's policy forbids.
        wait = f"new Promise((go) => {{ const check = () => ({condition}) ? go() : setTimeout(check, 20); check(); }})"
        try:
            async with asyncio.timeout(timeout_s):
                await self.page.evaluate(wait)
        except TimeoutError:
            seen = await self.page.inner_text("body")
            raise TimeoutError(f"waited {timeout_s:g} s for {condition}; the page shows: {seen}") from None

    async def events(self) -> list[dict[str, Any]]:
        """The server's events so far, without their audio, each with its time in the recording, `at_s`, in seconds."""
        events: list[dict[str, Any]] = await self.page.evaluate("listening.events")
        return events

    async def say(self, pcm: Pcm) -> None:
        """Speak samples at 48 kHz into a scripted microphone; returns when they have been spoken."""
        await self.page.evaluate("(samples) => listening.say(samples)", _encoded(pcm))

    async def sides(self) -> Sides:
        """Recordings of the microphone and the loudspeaker since the page was opened."""
        microphone, loudspeaker = await self.page.evaluate("listening.recorded()")
        return Sides(_samples(microphone), _samples(loudspeaker))


@asynccontextmanager
async def chromium(microphone: Pcm | None = None, *flags: str) -> AsyncIterator["Browser"]:
    """A new browser. Raises `MissingPackage` and `NoBrowser`.

    `microphone`: the audio that its microphone delivers, at 48 kHz, from the moment it is opened, followed by silence;
    None: it has no microphone.
    """
    try:
        from playwright.async_api import async_playwright
    except ImportError as error:
        raise MissingPackage(not_installed("playwright", "antiphon[bench]")) from error
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
    """The demo's page at `url`, in a new browser context, with the settings `chosen`.

    `scripted`: its microphone also gets the audio of `Call.say`. With an `api_key` the page is signed in.
    """
    # The page's policy would keep the recorder out, which is no file of the page.
    opened = await browser.new_context(bypass_csp=True, **context)
    await opened.add_init_script(path=_LISTENING)
    if scripted:
        await opened.add_init_script("listening.isScripted = true;")
    secret = await _signed_in(url, api_key) if api_key else ""
    stored = [("localStorage", "antiphon", json.dumps(chosen or {})), ("sessionStorage", "antiphon-key", secret)]
    for storage, name, value in stored:
        await opened.add_init_script(f"{storage}.setItem({json.dumps(name)}, {json.dumps(value)});")
    call = Call(await opened.new_page())
    await call.page.goto(url)
    return call


async def _signed_in(url: str, api_key: str) -> str:
    """The ephemeral key that the page would get for this API key."""
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=api_key) as client:
        return (await client.realtime.client_secrets.create()).value


def _encoded(pcm: Pcm) -> str:
    return base64.b64encode(encode_pcm16(pcm)).decode()


def _samples(encoded: str) -> Pcm:
    return decode_pcm16(base64.b64decode(encoded))
