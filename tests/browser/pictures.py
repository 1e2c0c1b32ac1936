"""Takes the documents' pictures of the page, from a real conversation: python -m tests.browser.pictures FOLDER.

The pictures show times, which the documents must agree with: take them while nothing else runs on the machine.
"""

import asyncio
import sys
from pathlib import Path
from typing import Literal

from playwright.async_api import ViewportSize

from audio.pcm import silence
from bench.callers.browser import RATE, chromium, open_page
from tests.browser.driving import recording, started

SIZES = {"desktop": ViewportSize(width=1280, height=800), "phone": ViewportSize(width=390, height=844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FINISHED = "document.querySelector('li.agent.finished')"
IN_THE_MIDST = "document.querySelectorAll('li.agent.speaking .played').length > 8"
FINISH_TRANSITIONS = """
document.getAnimations().filter((running) => running instanceof CSSTransition).forEach((running) => running.finish())
"""
LISTENING = "document.querySelector('#state').textContent === 'Listening'"
ANSWERED = "document.querySelector('li.agent:last-child')?.textContent.includes('Jupiter')"
"""The condition that the question asked over the answer is answered, and rightly."""
STRUCK = "document.querySelector('li.agent.interrupted del')"


async def main(folder: Path) -> None:
    with started() as (url, _):
        async with chromium(silence(RATE)) as browser:
            call = await open_page(
                browser, url, scripted=True, viewport=SIZES["desktop"], device_scale_factor=2, color_scheme="light"
            )
            await call.start()
            await call.say(recording("turn_12"))
            await call.until(f"{FINISHED} && {LISTENING}")
            await call.say(recording("turn_06"))
            await call.until(IN_THE_MIDST)
            await call.say(recording("turn_02"))
            await call.until(STRUCK)
            await call.until(ANSWERED)
            for size, viewport in SIZES.items():
                await call.page.set_viewport_size(viewport)
                await call.page.evaluate("document.querySelector('#timing').open = innerWidth > 896")
                for scheme in SCHEMES:
                    await call.page.emulate_media(color_scheme=scheme)
                    await call.page.evaluate(FINISH_TRANSITIONS)
                    name = f"page-{size}.png" if scheme == "light" else f"page-{size}-{scheme}.png"
                    await call.page.screenshot(path=folder / name)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
