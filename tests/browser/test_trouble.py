"""What goes wrong around a call: the page says it in plain words, and goes on by itself where that is possible."""

import socket

import pytest
from openai import AsyncOpenAI

from bench.browser import RATE, Call, chromium, open_page
from pipeline.audio import silence
from tests.browser.driving import SPEAKING, calling, captions, recording, started
from tests.speech import recordings, word_errors


async def said(call: Call) -> tuple[str, str]:
    """The trouble that the page tells of, and the button beside it; empty where there is none."""
    titles = [await call.page.locator(f"#trouble-{part}:visible").all_inner_texts() for part in ("title", "action")]
    trouble, action = ("".join(texts) for texts in titles)
    return trouble, action


@pytest.mark.parametrize(
    ("flags", "trouble"),
    [
        (("--use-fake-device-for-media-stream", "--deny-permission-prompts"), "The microphone was not allowed."),
        (("--use-fake-ui-for-media-stream",), "There is no microphone."),
    ],
)
async def test_without_a_microphone_it_says_so(server: str, flags: tuple[str, ...], trouble: str) -> None:
    async with chromium(None, *flags) as browser:
        call = await open_page(browser, server)
        await call.page.click("#start")
        await call.until("!document.querySelector('#trouble').hidden")
        assert await said(call) == (trouble, "Try again")
        assert await call.page.inner_text("#trouble-advice")
        assert await call.page.is_visible("#start")
        assert call.complaints == []


async def test_it_waits_for_a_free_line_and_for_a_server_that_was_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    one_line = {"ANTIPHON_SERVER__MAX_SESSIONS": "1"}
    with started(port, **one_line) as (url, process):
        async with chromium(silence(RATE)) as browser:
            call = await open_page(browser, url)
            async with (
                AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client,
                client.realtime.connect(model="antiphon"),
            ):
                await call.page.click("#start")
                await call.until("!document.querySelector('#trouble').hidden")
                assert await said(call) == ("All lines are busy.", "")
                await call.page.click("#end")
            await call.start()
            await call.page.fill("#text", "Tell me about the sea.")
            await call.page.keyboard.press("Enter")
            await call.until(SPEAKING)
            process.kill()
            await call.until("!document.querySelector('#trouble').hidden")
            assert await said(call) == ("The server can't be reached.", "")
            process.wait()
            with started(port, **one_line):
                await call.until("document.body.dataset.phase === 'live'")
                assert await said(call) == ("", "")
                assert (await captions(call))[0] == ("you", "Tell me about the sea.")


async def test_where_udp_is_blocked_it_talks_over_a_websocket(server: str) -> None:
    blocked = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
    async with calling(server, blocked) as call:
        assert await call.page.evaluate("document.body.dataset.transport") == "websocket"
        await call.say(recording("turn_12"))
        await call.until(SPEAKING)
        (_, asked), _ = await captions(call)
        assert word_errors(recordings()["turn_12"].text, asked) <= 0.25
        assert await said(call) == ("", "")
