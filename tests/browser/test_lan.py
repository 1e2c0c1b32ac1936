"""`antiphon serve --lan`: the link in its QR code, followed in a browser that has been told to trust it."""

import os
import re
import subprocess
from pathlib import Path

from audio.pcm import silence
from bench.callers.browser import RATE, Call, chromium
from tests.browser.driving import ANTIPHON


async def test_the_link_signs_in_and_the_page_talks_over_tls() -> None:
    command: list[str | Path] = [ANTIPHON, "serve", "--lan", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as server:  # noqa: ASYNC220
        assert server.stderr is not None
        try:
            lines = iter(server.stderr.readline, "")
            shown: list[str] = []
            for line in lines:
                shown.append(line)
                if link := re.search(r"or open (https://\S+/#(ek_\S+))", line):
                    break
            assert link
            assert sum("█" in line or "▀" in line for line in shown) > 10, "there is no QR code"
            async with chromium(silence(RATE)) as browser:
                context = await browser.new_context(ignore_https_errors=True)
                page = await context.new_page()
                call = Call(page)
                await page.goto(link[1])
                await page.wait_for_load_state("load")
                assert page.url == link[1].partition("#")[0]
                assert await page.evaluate("isSecureContext")
                assert await page.evaluate("sessionStorage.getItem('antiphon-key')") == link[2]
                await page.click("#start")
                await call.until("document.body.dataset.phase === 'live'")
                assert call.complaints == []
        finally:
            server.terminate()
            server.stderr.read()
