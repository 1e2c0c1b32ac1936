"""A person at the page: what they say into the microphone and when, and what they see."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import soxr

from audio.pcm import INPUT_RATE, Pcm, silence
from bench.callers.browser import RATE, Call, chromium, open_page
from pipeline.encoders.encoder import Encoder
from tests.support.speech import recordings

SPEAKING = "document.querySelectorAll('li.agent.speaking .played').length > 2"
"""The condition that an answer is being spoken and some of its words were heard."""

ANTIPHON = Path(sys.executable).with_name("antiphon")


@contextmanager
def started(port: int = 0, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`antiphon serve` in a process of its own, with answers that are always the same; its URL."""
    fixed = {"ANTIPHON_DECODER__TEMPERATURE": "0", "ANTIPHON_DECODER__MAX_TOKENS": "60"}
    command: list[str | Path] = [ANTIPHON, "serve", "--port", str(port)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **fixed, **environment}
    ) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, "")
            yield next(match.group() for line in lines if (match := re.search(r"http://\S+", line))), process
        finally:
            process.terminate()
            process.stderr.read()


@asynccontextmanager
async def calling(url: str, *flags: str, connection: str = "automatic", instructions: str = "") -> AsyncIterator[Call]:
    """A call in which the test says what it wants when it wants; behind the scenes nothing may go wrong."""
    async with chromium(silence(RATE), *flags) as browser:
        call = await open_page(browser, url, {"connection": connection, "instructions": instructions}, scripted=True)
        await call.start()
        yield call
        check(call, url)


def check(call: Call, url: str) -> None:
    """Nothing was complained about, and nobody else was asked for anything."""
    assert call.complaints == []
    assert call.hosts == {urlsplit(url).netloc}


def recognized(encoder: Encoder, pcm: Pcm) -> str:
    """What the agent's own recognizer makes of a recording, without the silence around it."""
    (audible,) = np.nonzero(np.abs(pcm) > 0.01)
    stream = encoder.open()
    stream.push(soxr.resample(pcm[max(audible[0] - RATE // 4, 0) : audible[-1] + RATE // 4], RATE, INPUT_RATE))
    return stream.finish().text


def recording(name: str) -> Pcm:
    return recordings()[name].pcm(RATE)


async def captions(call: Call) -> list[tuple[str, str]]:
    """Who said what, as it stands on the page: "you" or "agent", and the words; struck ones are in brackets."""
    said: list[tuple[str, str]] = await call.page.evaluate(
        """[...document.querySelectorAll("#captions li")].map((entry) => [
            entry.classList.contains("user") ? "you" : "agent",
            [...entry.querySelector("p").childNodes].map((word) =>
                word.localName === "del" ? `[${word.textContent}]` : word.textContent).join("")])"""
    )
    return [(who, words) for who, words in said]
