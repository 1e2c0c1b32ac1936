"""What the page offers around a call: a first screen, typing, replay, saving, and keys."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Route, WebSocketRoute

from audio.pcm import silence
from bench.callers.browser import RATE, Call, chromium, open_page
from pipeline.encoders.encoder import Encoder
from tests.browser.driving import SPEAKING, calling, captions, check, recognized, recording
from tests.support.speech import INTELLIGIBLE, recordings, word_errors

FINISHED = "document.querySelector('li.agent.finished')"
STATE = "document.querySelector('#state').textContent"

SIZES = {
    "desktop": (1280, 800),
    "phone": (390, 844),
    "small phone": (320, 568),
    "phone on its side": (844, 390),
    "desktop at 200 %": (640, 400),
}
CUT_OFF = """
(ids) => ids.filter((id) => {
    const { left, right, top, bottom } = document.getElementById(id).getBoundingClientRect();
    return left < 0 || top < 0 || right > innerWidth || bottom > innerHeight || right === left;
})
"""
OVERFLOWS = "(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)(document.querySelector('#start'))"


async def test_the_first_screen_says_what_it_is_and_asks_without_a_microphone(server: str) -> None:
    async with chromium(None, "--use-fake-device-for-media-stream", "--deny-permission-prompts") as browser:
        call = await open_page(browser, server)
        await call.until("!document.querySelector('#privacy').hidden")
        assert await call.page.inner_text("#privacy") == "Everything runs on this computer. Nothing you say leaves it."
        models = await call.page.inner_text("#models span")
        assert "whisper" in models
        assert models.endswith("Joe (male, American English) speaks.")
        await call.page.click("#examples li:first-child button")
        await call.until(FINISHED)
        (_, asked), (_, answer) = await captions(call)
        assert asked == "What is the capital of France?"
        assert answer
        assert await call.page.evaluate(STATE) == "No microphone"
        assert np.abs((await call.sides()).loudspeaker).max() > 0.05
        check(call, server)


async def test_it_names_the_hosts_that_hear_what_is_said(server: str) -> None:
    async with chromium(None) as browser:
        call = await open_page(browser, server)

        async def elsewhere(route: Route) -> None:
            described = await (await route.fetch()).json()
            await route.fulfill(json={**described, "sends_to": ["models.example"]})

        await call.page.route("**/health", elsewhere)
        await call.page.reload()
        await call.until("!document.querySelector('#privacy').hidden")
        note = "Runs on this computer, and sends what you say to models.example."
        assert await call.page.inner_text("#privacy") == note


async def test_a_voice_is_heard_and_chosen_from_the_first_screen(server: str) -> None:
    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, server)
        await call.page.click("#choose-voice")
        await call.until("document.activeElement.name === 'voice'")
        assert await call.page.inner_text("#voices label:has(:checked)") == "Joe\nmale, American English"
        await call.page.get_by_label("Listen to Joe").click()
        await call.until("document.querySelector('[aria-label=\"Stop Joe\"]')")
        await call.until("document.querySelector('[aria-label=\"Listen to Joe\"]')")
        assert np.abs((await call.sides()).loudspeaker).max() > 0.05
        check(call, server)


@pytest.mark.parametrize("connection", ["webrtc", "websocket"])
async def test_turns_and_answers_are_replayed_and_saved_with_their_sound(
    server: str, encoder: Encoder, connection: str, tmp_path: Path
) -> None:
    async with calling(server, connection=connection) as call:
        await call.say(recording("turn_06"))
        await call.until(f"{FINISHED} && {STATE} === 'Listening'")
        await call.until("document.querySelectorAll('.replay:not([hidden])').length === 2")
        said = recordings()["turn_06"].text, (await captions(call))[1][1]
        await call.hang_up()
        for number, text in enumerate(said):
            before = len((await call.sides()).loudspeaker)
            button = call.page.locator(".replay").nth(number)
            await button.click()
            assert await button.get_attribute("aria-label") == "Stop replaying"
            await call.until(f"document.querySelectorAll('.replay')[{number}].ariaLabel === 'Replay'")
            replayed = (await call.sides()).loudspeaker[before:]
            assert word_errors(text, recognized(encoder, replayed)) <= INTELLIGIBLE
        await call.page.click("#save")
        async with call.page.expect_download() as downloading:
            await call.page.click("#save-page")
        saved = tmp_path / "session.html"
        await (await downloading.value).save_as(saved)
        await check_saved(call, saved, said)
        check(call, server)


async def check_saved(call: Call, saved: Path, said: tuple[str, str]) -> None:
    """Open a saved session without its server."""
    assert call.page.context.browser is not None
    context = await call.page.context.browser.new_context(offline=True)
    page = await context.new_page()
    await page.goto(saved.as_uri())
    texts = await page.locator("section > p").all_inner_texts()
    assert word_errors(said[0], texts[0]) <= 0.25
    assert texts[1] == said[1]
    durations: list[float] = await page.evaluate(
        """Promise.all([...document.querySelectorAll("audio")].map((audio) => new Promise((resolve, reject) => {
            audio.onloadedmetadata = () => resolve(audio.duration);
            audio.onerror = () => reject(audio.error);
            audio.load();
        })))"""
    )
    assert [duration > 1 for duration in durations] == [True, True]
    assert "Longest step: " in await page.inner_text("summary")
    assert await page.locator("table tr").count() > 3


async def test_a_replay_during_a_call_is_not_taken_for_speech(server: str) -> None:
    async with calling(server) as call:
        await call.say(recording("turn_12"))
        await call.until(f"{FINISHED} && {STATE} === 'Listening'")
        await call.page.locator(".replay").first.click()
        await call.say(recording("backch_01"))  # over the replay, while the microphone is closed
        await call.until("document.querySelectorAll('.replay')[0].ariaLabel === 'Replay'")
        await call.say(recording("turn_08"))
        await call.until("document.querySelectorAll('li.user.final').length === 2")
        asked = [text for who, text in await captions(call) if who == "you"]
        assert word_errors(recordings()["turn_08"].text, asked[1]) <= 0.25


async def test_keys_and_focus(server: str) -> None:
    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, server, scripted=True, permissions=["clipboard-write", "clipboard-read"])
        page = call.page
        focused = "document.activeElement.id"
        await page.keyboard.press("?")
        await call.until("document.querySelector('#help').open")
        await page.keyboard.press("Escape")
        await page.focus("#start")
        await page.keyboard.press("s")
        await call.until("document.body.dataset.phase === 'live'")
        assert await page.evaluate(focused) == "mute"
        await page.keyboard.press("m")
        await call.until(f"{STATE} === 'Muted'")
        await page.keyboard.press("m")
        await page.keyboard.press("/")
        assert await page.evaluate(focused) == "text"
        await page.keyboard.type("Tell me a story, ms?")
        await page.keyboard.press("Enter")
        await call.until(SPEAKING)
        assert (await captions(call))[0] == ("you", "Tell me a story, ms?")
        await page.keyboard.press("Escape")
        await call.until("document.querySelector('li.agent.interrupted del')")
        await page.click("#save")
        await page.click("#copy")
        await call.until("document.querySelector('#copy').textContent === 'Copied'")
        assert "You: Tell me a story, ms?" in await page.evaluate("navigator.clipboard.readText()")
        await page.keyboard.press("Escape")
        await page.focus("#mute")
        await page.keyboard.press("s")
        await call.until("document.body.dataset.phase === 'idle'")
        assert await page.evaluate(focused) == "start"
        assert (await page.inner_text("#clock")).startswith("Ended after 0:")
        await page.click("#open-settings")
        await page.uncheck("#shortcuts")
        await page.click("#settings [type=submit]")
        await call.until("!document.querySelector('#settings').open")
        await page.keyboard.press("?")
        assert not await page.evaluate("document.querySelector('#help').open")
        check(call, server)


async def test_a_reader_who_scrolled_up_is_led_back_to_the_end(server: str) -> None:
    async with calling(server) as call:
        page = call.page
        await page.set_viewport_size({"width": 390, "height": 500})
        for number in range(6):
            await page.fill("#text", f"This is message number {number}.")
            await page.keyboard.press("Enter")
        await call.until("document.querySelectorAll('li.user').length === 6")
        await page.keyboard.press("Escape")
        assert await page.is_hidden("#to-latest")
        await page.evaluate("document.querySelector('#conversation').scrollTop = 0")
        await call.until("!document.querySelector('#to-latest').hidden")
        await page.click("#to-latest")
        await call.until("document.querySelector('#to-latest').hidden")
        box = await page.locator("#captions li:last-child").bounding_box()
        assert box is not None
        assert box["y"] < 500


async def test_thoughts_and_tool_calls_are_shown(server: str) -> None:
    tool = {"type": "function_call", "id": "f", "call_id": "c", "name": "get_current_time", "arguments": "{}"}
    called = {"id": "r", "status": "completed", "output": [tool]}
    script: list[dict[str, Any]] = [
        {"type": "session.created", "session": {}},
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.done", "response": called},
        {"type": "response.created", "response": {"id": "s"}},
        {"type": "antiphon.thoughts.delta", "response_id": "s", "delta": "It is noon."},
    ]

    def stand_in(socket: WebSocketRoute) -> None:
        """A server that says the same to everyone."""
        socket.on_message(lambda message: None)
        for event in script:
            socket.send(json.dumps(event))

    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, server, {"connection": "websocket"})
        await call.page.route_web_socket("**/v1/realtime**", stand_in)
        await call.start()
        await call.until("document.querySelector('.thoughts')")
        assert await call.page.inner_text("li.tool summary") == "Used get current time"
        await call.page.click("li.tool summary")
        assert '"time_zone"' in await call.page.inner_text("li.tool details")
        assert await call.page.inner_text("li.agent .thoughts div") == "It is noon."


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_is_cut_off(server: str, size: str) -> None:
    width, height = SIZES[size]
    viewport: dict[str, Any] = {"viewport": {"width": width, "height": height}}
    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, server, **viewport)
        assert await call.page.evaluate(CUT_OFF, ["start", "save", "open-settings", "open-help"]) == []
        assert not await call.page.evaluate(OVERFLOWS)
        await call.page.click("#open-settings")
        await call.until("document.querySelector('#engine').textContent")
        assert await call.page.evaluate(CUT_OFF, ["settings", "cancel-settings"]) == []
        if size == "desktop":
            assert await call.page.evaluate(
                "(({ scrollHeight, clientHeight }) => scrollHeight <= clientHeight)(settings)"
            )
        await call.page.keyboard.press("Escape")
        await call.start()
        await call.page.fill("#text", "Tell me about the sea.")
        await call.page.keyboard.press("Enter")
        await call.until(SPEAKING)
        controls = ["mute", "interrupt", "restart", "end", "text", "state"]
        assert await call.page.evaluate(CUT_OFF, controls) == []


async def test_the_screen_stays_on_during_a_call(server: str) -> None:
    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, server)
        await call.page.evaluate(
            """() => {
                window.locks = [];
                navigator.wakeLock.request = async (kind) => {
                    window.locks.push(kind);
                    return { release: async () => window.locks.push("released") };
                };
            }"""
        )
        await call.start()
        assert await call.page.evaluate("locks") == ["screen"]
        await call.hang_up()
        await call.until("locks.length === 2")
        assert await call.page.evaluate("locks") == ["screen", "released"]
