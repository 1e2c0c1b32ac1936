"""@openai/agents-realtime in Chromium, over WebRTC, with an ephemeral key, in a page of another origin."""

import asyncio

import pytest
from openai import AsyncOpenAI

from bench.callers.browser import chromium
from tests.clients.walks import STEPS, Walk


@pytest.fixture(scope="module")
def walked(page: str, server: str) -> Walk:
    async def run() -> Walk:
        async with chromium() as browser:
            tab = await browser.new_page()
            complaints: list[str] = []
            tab.on("console", lambda message: complaints.append(message.text))
            tab.on("pageerror", lambda error: complaints.append(str(error)))
            await tab.goto(page)
            await tab.wait_for_function("window.start")
            async with AsyncOpenAI(base_url=f"{server}/v1", api_key="any") as backend:
                made = await backend.realtime.client_secrets.create(session={"type": "realtime"})
            steps = await tab.evaluate("([url, key]) => window.start(url, key)", [server, made.value])
            return Walk({facts["step"]: facts for facts in steps}, "\n".join(complaints))

    return asyncio.run(run())


@pytest.mark.parametrize("step", STEPS)
def test_the_client_takes_every_step(walked: Walk, step: str) -> None:
    walked.check(step)
