"""examples/page.html in Chromium, served by another origin than the agent's."""

from pathlib import Path

from audio.pcm import silence
from audio.sound_file import read_wav
from bench.callers.browser import RATE, Call, chromium, open_page
from tests.browser.driving import recording
from tests.examples.running import EXAMPLES, TOLD_TIME, serving_a_model_that_calls
from tests.support.pulse import seconds_of_sound
from tests.support.speech import recordings, word_errors
from tests.support.web_folder import web_folder


async def start(call: Call) -> None:
    await call.page.click("#talk")
    await call.until("document.querySelector('#talk').textContent === 'Hang up'")
    await call.until("listening.events.some(({ type }) => type === 'session.updated')")


async def test_an_answer_is_captioned_and_heard(server: str, pages: tuple[str, Path]) -> None:
    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, f"{pages[0]}/page.html?server={server}", scripted=True)
        await start(call)
        await call.say(recording("turn_08"))
        await call.until("listening.events.some(({ type }) => type === 'output_audio_buffer.stopped')")
        assert word_errors(recordings()["turn_08"].text, await call.page.inner_text("#you")) <= 0.25
        assert await call.page.inner_text("#agent")
        assert seconds_of_sound((await call.sides()).loudspeaker[::2]) > 0.5
        await call.page.click("#talk")
        await call.until("document.querySelector('#talk').textContent === 'Talk'")
        assert await call.page.evaluate("listening.connections[0].connectionState") == "closed"
        assert call.complaints == []


async def test_the_tool_is_called_and_its_result_is_answered(questions: dict[Path, str]) -> None:
    with web_folder(EXAMPLES) as origin:
        async with serving_a_model_that_calls("get_time", origin) as (url, model), chromium(silence(RATE)) as browser:
            call = await open_page(browser, f"{origin}/page.html?server={url}", scripted=True)
            await start(call)
            await call.say(read_wav(next(iter(questions)), RATE))
            await call.until(f"document.querySelector('#agent').textContent === {TOLD_TIME!r}")
            assert "time" in model.asked[-1]["messages"][-1]["content"]
            await call.page.click("#talk")
            assert call.complaints == []
