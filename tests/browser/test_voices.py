"""Kokoro's voices at the page: chosen in its settings, and heard at its loudspeaker."""

import numpy as np

from audio.pcm import Pcm, silence
from bench.callers.browser import RATE, Call, chromium, open_page
from pipeline.encoders.encoder import Encoder
from tests.browser.driving import captions, check, recognized, recording, started
from tests.support.speech import INTELLIGIBLE, word_errors

VOICES = ["af_heart", "af_bella", "am_michael", "am_fenrir", "bf_emma", "bm_george"]
LISTED = "[...document.querySelectorAll('[name=voice]')].map((radio) => radio.value)"


async def test_kokoro_answers_in_the_voice_that_was_chosen(encoder: Encoder) -> None:
    with started(ANTIPHON_VOICE__BACKEND="kokoro", ANTIPHON_VOICE__NAME="af_heart") as (url, _):
        async with chromium(silence(RATE)) as browser:
            call = await open_page(browser, url, {"connection": "webrtc"}, scripted=True)
            woman = await answer(call, encoder, "webrtc", "af_heart")
            await choose(call, "am_michael", "websocket")
            man = await answer(call, encoder, "websocket", "am_michael")
            assert pitch_hz(woman) > 1.4 * pitch_hz(man)
            check(call, url)


async def answer(call: Call, encoder: Encoder, connection: str, voice: str) -> Pcm:
    """Ask in a call of its own; what the loudspeaker got for an answer is what stands on the page, in this voice."""
    before, answers = len((await call.sides()).loudspeaker), await call.page.locator("li.agent").count()
    await call.start()
    assert await call.page.evaluate("document.body.dataset.transport") == connection
    await call.say(recording("turn_08"))
    await call.until(f"document.querySelectorAll('li.agent.finished').length > {answers}")
    _, said = (await captions(call))[-1]
    assert await call.page.locator("li.agent:last-child p .played").count() > 2
    assert await call.page.locator("li.agent p :not(.played)").count() == 0
    heard = (await call.sides()).loudspeaker[before:]
    assert word_errors(said, recognized(encoder, heard)) <= INTELLIGIBLE
    done = [event["response"] for event in await call.events() if event["type"] == "response.done"]
    assert done[-1]["audio"]["output"]["voice"] == voice
    await call.hang_up()
    return heard


async def choose(call: Call, voice: str, connection: str) -> None:
    """In the settings: all voices at hand stand there, and each can be heard."""
    await call.page.click("#open-settings")
    await call.until(f"{LISTED}.length > 1")
    offered: list[str] = await call.page.evaluate(LISTED)
    assert offered[:6] == VOICES
    assert await call.page.is_checked("[name=voice][value=af_heart]")
    labels: list[str] = await call.page.locator("#voices label").all_inner_texts()
    assert [label.split("\n") for label in labels[:5:4]] == [
        ["Heart", "female, American English"],
        ["Emma", "female, British English"],
    ]
    await call.page.check(f"[name=voice][value={voice}]")
    before = len((await call.sides()).loudspeaker)
    await call.page.get_by_label("Listen to Michael").click()
    await call.until("document.querySelector('[aria-label=\"Stop Michael\"]')")
    await call.until("document.querySelector('[aria-label=\"Listen to Michael\"]')")
    assert np.abs((await call.sides()).loudspeaker[before:]).max() > 0.05
    await call.page.check(f"[name=connection][value={connection}]")
    await call.page.click("#settings [type=submit]")
    await call.until("!document.querySelector('#settings').open")


def pitch_hz(pcm: Pcm) -> float:
    """The median over what is voiced: where a stretch of sound is most like itself a period later."""
    size, shortest, longest = RATE // 20, RATE // 400, RATE // 60
    pitches = []
    for start in range(0, len(pcm) - size - longest, size):
        frame, later = pcm[start : start + size], pcm[start : start + size + longest]
        likeness = np.correlate(later, frame, "valid")[shortest:]
        loudness = np.dot(frame, frame)
        if loudness > 1e-3 * size and likeness.max() > 0.8 * loudness:
            pitches.append(RATE / (shortest + int(np.argmax(likeness))))
    return float(np.median(pitches))
