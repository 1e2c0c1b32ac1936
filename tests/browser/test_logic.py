"""What the page reckons and does by itself, in the browser that runs it."""

from pathlib import Path

import pytest

from audio.pcm import silence
from bench.callers.browser import RATE, chromium, open_page


@pytest.mark.parametrize("script", ["logic.js", "calls.js", "conversation.js"])
async def test_the_page_comes_out_right(server: str, script: str) -> None:
    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, server, scripted=True)
        assert await call.page.evaluate(Path(__file__).with_name(script).read_text()) == []
