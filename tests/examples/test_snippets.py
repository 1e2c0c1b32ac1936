"""The programs in README.md and docs/protocol.md, run as they stand there but for the server's address."""

import shlex
import textwrap
from pathlib import Path

from audio.pcm import silence
from bench.callers.browser import RATE, chromium, open_page
from tests.browser.driving import ANTIPHON, recording
from tests.docs.documents import blocks
from tests.examples.running import run
from tests.support.pulse import seconds_of_sound


def snippet(document: str, language: str, server: str) -> str:
    """The program of this language, which may be in several parts, and asks `server`."""
    parts = [block.text for block in blocks(language) if block.document == document]
    assert parts
    return "\n".join(parts).replace("http://localhost:8000", server)


async def test_a_question_is_made_asked_and_read_by_the_python_program(server: str, tmp_path: Path) -> None:
    (commands,) = [
        block.text for block in blocks("sh") if block.document == "README.md" and "question.wav" in block.text
    ]
    for command in commands.splitlines():
        await run(ANTIPHON, *shlex.split(command)[1:], folder=tmp_path)
    (tmp_path / "program.py").write_text(snippet("README.md", "python", server))
    printed = await run("program.py", folder=tmp_path)
    assert len(printed.split()) > 1


async def test_the_official_client_connects_and_makes_an_ephemeral_key(server: str, tmp_path: Path) -> None:
    program = snippet("protocol.md", "python", server)
    shown = program.replace("    ...", "    print((await connection.recv()).type)").replace(
        "made.value ", "print(made.value)"
    )
    head = "import asyncio\nfrom openai import AsyncOpenAI\n\nasync def main() -> None:\n"
    (tmp_path / "program.py").write_text(f"{head}{textwrap.indent(shown, '    ')}\nasyncio.run(main())\n")
    first, key = (await run("program.py", folder=tmp_path)).split()
    assert first == "session.created"
    assert key.startswith("ek_")


async def test_a_page_of_the_server_calls(server: str) -> None:
    microphone = "const [microphone] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getTracks();"
    opened = "await new Promise((resolve) => { events.onmessage = ({ data }) => resolve(JSON.parse(data).type); });"
    program = snippet("protocol.md", "js", server)
    async with chromium(silence(RATE)) as browser:
        page = await browser.new_page()
        await page.goto(server)
        first = await page.evaluate(f"async () => {{ {microphone} {program} return {opened} }}")
        assert first == "session.created"


async def test_the_page_hears_and_is_heard(server: str, pages: tuple[str, Path]) -> None:
    origin, folder = pages
    head = '<!doctype html><link rel="icon" href="data:," /><audio id="speaker" autoplay></audio>'
    (folder / "readme.html").write_text(f'{head}<script type="module">{snippet("README.md", "js", server)}</script>')
    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, f"{origin}/readme.html", scripted=True)
        await call.until("listening.events.some(({ type }) => type === 'session.created')")
        await call.say(recording("turn_08"))
        await call.until("listening.events.some(({ type }) => type === 'output_audio_buffer.stopped')")
        assert seconds_of_sound((await call.sides()).loudspeaker[::2]) > 0.5
        await call.page.evaluate("listening.connections[0].close()")
        assert call.complaints == []
