"""What the commands that hold conversations do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from pipeline.engine import Engine
from realtime import ask as asking
from realtime import talk as talking
from realtime.auth import is_loopback
from realtime.client import WIRE_RATE, Connection, address, connect, find_server
from realtime.echo import EchoMode, guard_against_echo
from realtime.microphone import find_device, list_devices
from realtime.serve import listen, loaded, make_server, running
from realtime.settings import Settings
from realtime.talk_view import device_table
from realtime.waterfall import waterfall
from realtime.wav import check_writable, read_wav, write_wav

_err = Console(stderr=True)


async def serve(settings: Settings) -> None:
    """Serve until the process is told to stop."""
    host = settings.server.host
    with listen(host, settings.server.port) as listening:
        if not is_loopback(host) and not settings.server.api_key.get_secret_value():
            warning = f"Anyone who reaches {host} may talk to it: set ANTIPHON_SERVER__API_KEY to ask for a key."
            _err.print(Text(warning, "yellow"), soft_wrap=True)
        async with _engine(settings) as engine:
            server = make_server(engine, settings)
            name = "localhost" if host in ("127.0.0.1", "::1") else host
            url = address(name, listening.getsockname()[1])
            _err.print(f"Antiphon is listening on {url}   (Ctrl-C stops it)")
            _err.print("Open it in a browser and talk; or, in another terminal:")
            _err.print(f"    antiphon ask QUESTION.wav --url {url}", highlight=False, soft_wrap=True)
            await server.serve(sockets=[listening])


async def ask(settings: Settings, question: Path, out: Path | None, url: str | None, as_json: bool) -> None:
    """Ask the question in a WAV file and print what came of it."""
    pcm = read_wav(question, WIRE_RATE)
    if out is not None:
        check_writable(out)
    async with _connection(settings, url) as connection:
        with _err.status("asking …") as status:
            reply = await asking.ask(connection, pcm, lambda line: status.update(Text(line)))
    if out is not None:
        write_wav(out, reply.audio, WIRE_RATE)
    if as_json:
        typer.echo(reply.as_json())
        return
    console = Console()
    console.print(Text.assemble(("You     ", "cyan"), reply.transcript))
    console.print(Text.assemble(("Agent   ", "green"), reply.answer))
    if reply.interrupted:
        console.print(Text(f"        {reply.interrupted} answer(s) begun in a pause were stopped", "dim"))
    console.print(waterfall(reply.timeline_ms))
    if out is not None:
        console.print(Text(f"Answer written to {out} ({len(reply.audio) / WIRE_RATE:.1f} s)", "dim"))


def list_sound_devices() -> None:
    Console().print(device_table(list_devices()))


async def talk(
    settings: Settings, url: str | None, microphone: str | None, speaker: str | None, echo: EchoMode
) -> None:
    """Hold a conversation at the local sound card until it is cancelled."""
    # What is missing is said before the models are loaded.
    devices = list_devices()
    find_device(devices, "microphone", microphone)
    find_device(devices, "speaker", speaker)
    guard = guard_against_echo(echo)
    async with _connection(settings, url, playback=True) as connection:
        await talking.talk(connection, microphone, speaker, guard, Console())


@asynccontextmanager
async def _connection(settings: Settings, url: str | None, playback: bool = False) -> AsyncIterator[Connection]:
    """To the server at `url`; else to the one that the settings describe, if it runs; else to one in this process."""
    api_key = settings.server.api_key.get_secret_value()
    if url is None and (found := await find_server(settings.server.host, settings.server.port)) is not None:
        url = found.url
    if url is not None:
        async with connect(url, api_key, playback=playback) as connection:
            yield connection
        return
    async with (
        _engine(settings) as engine,
        running(engine, settings) as here,
        connect(here, api_key, playback=playback) as connection,
    ):
        yield connection


@asynccontextmanager
async def _engine(settings: Settings) -> AsyncIterator[Engine]:
    """The loaded engine; what is being loaded is shown meanwhile."""
    with _err.status("") as status:
        async with loaded(settings, lambda stage: status.update(f"{stage} …")) as engine:
            status.stop()
            yield engine
