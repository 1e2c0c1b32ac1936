"""What the page reckons by itself, in the browser that runs it."""

from pathlib import Path

from bench.browser import RATE, chromium, open_page
from pipeline.audio import silence

LOGIC = Path(__file__).with_name("logic.js").read_text()


async def test_the_page_reckons_right(server: str) -> None:
    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, server, scripted=True)
        assert await call.page.evaluate(LOGIC) == []
