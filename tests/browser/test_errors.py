"""What can go wrong around a call: the page says so in plain words, and recovers by itself where that is possible."""

import socket

import pytest
from openai import AsyncOpenAI

from audio.pcm import silence
from bench.callers.browser import RATE, Call, chromium, open_page
from tests.browser.driving import SPEAKING, calling, captions, recording, started
from tests.support.speech import recordings, word_errors


async def shown_error(call: Call) -> tuple[str, str]:
    """The error that the page shows, and the label of the button next to it; "" where there is none."""
    titles = [await call.page.locator(f"#error-{part}:visible").all_inner_texts() for part in ("title", "action")]
    message, action = ("".join(texts) for texts in titles)
    return message, action


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--use-fake-device-for-media-stream", "--deny-permission-prompts"), "The microphone is blocked."),
        (("--use-fake-ui-for-media-stream",), "No microphone was found."),
    ],
)
async def test_without_a_microphone_it_says_so(server: str, flags: tuple[str, ...], message: str) -> None:
    async with chromium(None, *flags) as browser:
        call = await open_page(browser, server)
        await call.page.click("#start")
        await call.until("!document.querySelector('#error').hidden")
        assert await shown_error(call) == (message, "Try again")
        assert await call.page.inner_text("#error-advice")
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
                await call.until("!document.querySelector('#error').hidden")
                assert await shown_error(call) == ("The server is full.", "")
                await call.page.click("#end")
            await call.start()
            await call.page.fill("#text", "Tell me about the sea.")
            await call.page.keyboard.press("Enter")
            await call.until(SPEAKING)
            process.kill()
            await call.until("!document.querySelector('#error').hidden")
            assert await shown_error(call) == ("The server can't be reached.", "")
            process.wait()
            with started(port, **one_line):
                await call.until("document.body.dataset.phase === 'live'")
                assert await shown_error(call) == ("", "")
                assert (await captions(call))[0] == ("you", "Tell me about the sea.")


@pytest.mark.parametrize("connection", ["webrtc", "websocket"])
async def test_it_stays_through_a_restart_of_the_server_and_keeps_the_conversation(connection: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with chromium(silence(RATE)) as browser:
        with started(port, ANTIPHON_SERVER__DRAIN_S="120") as (url, process):
            call = await open_page(browser, url, {"connection": connection})
            await call.start()
            await call.page.fill("#text", "Tell me about the sea.")
            await call.page.keyboard.press("Enter")
            await call.until(SPEAKING)
            process.terminate()
            await call.until("!document.querySelector('#error').hidden")
            assert (await shown_error(call))[0] in ("The server is restarting.", "The server can't be reached.")
            answered = await captions(call)
            assert "[" not in answered[1][1], "the answer was cut off, though the server had time to end it"
            process.wait()
        with started(port):
            await call.until("document.body.dataset.phase === 'live'")
            assert await shown_error(call) == ("", "")
            assert (await captions(call))[: len(answered)] == answered


async def test_where_udp_is_blocked_it_talks_over_a_websocket(server: str) -> None:
    blocked = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
    async with calling(server, blocked) as call:
        assert await call.page.evaluate("document.body.dataset.transport") == "websocket"
        await call.say(recording("turn_12"))
        await call.until(SPEAKING)
        (_, asked), _ = await captions(call)
        assert word_errors(recordings()["turn_12"].text, asked) <= 0.25
        assert await shown_error(call) == ("", "")
