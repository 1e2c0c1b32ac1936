"""Conversations in a real browser: a recording for a microphone, and the loudspeaker's sound recognized again."""

import numpy as np
import pytest

from audio.pcm import silence
from bench.callers.browser import RATE, chromium, open_page
from pipeline.encoders.encoder import Encoder
from tests.browser.driving import SPEAKING, calling, captions, check, recognized, recording
from tests.support.speech import INTELLIGIBLE, recordings, word_errors

TALKATIVE = "You are a storyteller. Answer with a long story of many sentences."
"""So that there is still something to say after somebody has said something over it."""
WAYS = ("webrtc", "websocket")

ENERGY = """
Promise.all(listening.connections.map(async (connection) => [...(await connection.getStats()).values()]
    .find(({ type }) => type === "inbound-rtp").totalAudioEnergy))
"""


@pytest.mark.parametrize("connection", WAYS)
async def test_a_question_is_heard_and_answered(server: str, encoder: Encoder, connection: str) -> None:
    before = silence(6 * RATE)  # the microphone is open before the connection is
    async with chromium(np.concatenate((before, recording("turn_08")))) as browser:
        call = await open_page(browser, server, {"connection": connection})
        await call.page.click("#start")
        await call.until("document.querySelector('li.agent.finished')")
        (_, asked), (_, answer) = await captions(call)
        assert word_errors(recordings()["turn_08"].text, asked) <= 0.25
        assert await call.page.locator("li.agent p :not(.played)").count() == 0
        assert word_errors(answer, recognized(encoder, (await call.sides()).loudspeaker)) <= INTELLIGIBLE
        assert await call.page.evaluate("document.body.dataset.transport") == connection
        energies = await call.page.evaluate(ENERGY)
        assert [energy > 0 for energy in energies] == ([True] if connection == "webrtc" else [])
        assert await call.page.inner_text("#latest") != "–"
        assert await call.page.locator("#waterfall tr").count() > 3
        check(call, server)


@pytest.mark.parametrize("connection", WAYS)
async def test_a_backchannel_lets_it_go_on_and_a_barge_in_stops_it(server: str, connection: str) -> None:
    async with calling(server, connection=connection, instructions=TALKATIVE) as call:
        await call.say(recording("turn_06"))
        await call.until(SPEAKING)
        await call.say(recording("backch_01"))
        words = await call.page.locator("li.agent.speaking .played").count()
        await call.until(f"document.querySelectorAll('li.agent.speaking .played').length > {words + 3}")
        assert not await call.page.locator("li.agent.interrupted").count()
        # What the browser's echo canceller leaves of a "mm-hmm" may have words.
        turns = await call.page.locator("li.user.final").count()
        await call.say(recording("barge_01"))
        await call.until("document.querySelector('li.agent.interrupted del')")
        await call.until(f"document.querySelectorAll('li.user.final').length === {turns + 1}")
        said = await captions(call)
        assert not said[1][1].startswith("[")
        assert all(words for who, words in said if who == "you")


async def test_mute_interrupt_and_start_over(server: str) -> None:
    async with calling(server) as call:
        page = call.page
        await page.click("#mute")
        await call.until("document.querySelector('#state').textContent === 'Muted'")
        await call.say(recording("barge_01"))
        await page.click("#mute")
        await call.say(recording("turn_06"))
        await call.until(SPEAKING)
        await page.click("#interrupt")
        await call.until("document.querySelector('li.agent.interrupted del')")
        (_, asked), (_, answer) = await captions(call)
        assert word_errors(recordings()["turn_06"].text, asked) <= 0.25
        assert not answer.startswith("[")
        await page.click("#save")
        async with page.expect_download() as downloading:
            await page.click("#save-text")
        assert asked in (await (await downloading.value).path()).read_text()
        await page.click("#restart")
        await call.until("document.body.dataset.phase === 'live' && !document.querySelector('#captions li')")
        await call.hang_up()
        assert await page.evaluate("document.activeElement.id") == "start"
