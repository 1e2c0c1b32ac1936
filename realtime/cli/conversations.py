"""The commands `serve`, `ask` and `talk`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from audio.sound_file import check_writable, read_wav, write_wav
from pipeline.engine import Engine
from realtime.app import Server
from realtime.cli.console import output, program
from realtime.cli.lan import announce_lan, for_lan
from realtime.cli.profile_choice import fallback_sentence
from realtime.observability.logs import Format
from realtime.protocol.audio_format import WIRE_RATE
from realtime.serve import certificate_of, listen, loaded, make_server, metrics_port, observing, open_access, running
from realtime.settings import Settings
from realtime.shared_redis import connected
from realtime.terminal import ask as asking
from realtime.terminal import talk as talking
from realtime.terminal.client import Connection, address, connect, find_server, server_url
from realtime.terminal.echo_guard import EchoMode, guard_against_echo
from realtime.terminal.sound_card import find_device, list_devices
from realtime.terminal.talk_view import device_table
from realtime.terminal.waterfall import waterfall

log = logging.getLogger(__name__)

_err = Console(stderr=True)


async def serve(settings: Settings, lan: bool) -> None:
    """Serve until the process is stopped. `lan`: for phones in the same network."""
    settings = for_lan(settings) if lan else settings
    host = settings.server.host
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(connected(settings.server.shared_store.get_secret_value()))
        access, certificate = open_access(settings, redis), certificate_of(settings)
        listening = stack.enter_context(listen(host, settings.server.port))
        engine = await stack.enter_async_context(_engine(settings))
        observers = stack.enter_context(observing(settings))
        server = make_server(engine, settings, access, observers=observers, certificate=certificate, redis=redis)
        stack.enter_context(metrics_port(settings, server))
        name = "localhost" if host in ("127.0.0.1", "::1") else host
        port = listening.getsockname()[1]
        url = address(name, port, "http" if certificate is None else "https")
        more = partial(announce_lan, settings, access, port) if lan else None
        announcing = asyncio.create_task(_announce(server, url, settings.log.format, more))
        try:
            await server.serve(sockets=[listening])
        finally:
            announcing.cancel()


async def _announce(server: Server, url: str, log_format: Format, more: Callable[[], Awaitable[None]] | None) -> None:
    """Print the address once the server accepts connections, because a reader may connect at once; then `more`."""
    await server.answers.wait()
    if log_format == "json":
        log.info("listening", extra={"url": url})
        return
    _err.print(f"Antiphon is listening on {url}   (Ctrl-C stops it)")
    _err.print("Open it in a browser and talk; or, in another terminal:")
    _err.print(f"    {program()} talk --url {url}", highlight=False, soft_wrap=True)
    if more is not None:
        await more()


async def ask(settings: Settings, question: Path, out: Path | None, url: str | None, as_json: bool, own: bool) -> None:
    """Ask the question in a WAV file and print the answer. `own`: of an agent of this process, not of a server."""
    pcm = read_wav(question, WIRE_RATE)
    if out is not None:
        check_writable(out)
    async with _connection(settings, url, own) as (connection, _):
        with _err.status("asking …") as status:
            reply = await asking.ask(connection, pcm, lambda line: status.update(Text(line)))
    if out is not None:
        write_wav(out, reply.audio, WIRE_RATE)
    if as_json:
        typer.echo(reply.as_json())
        return
    console = output()
    console.print(Text.assemble(("You     ", "cyan"), reply.transcript))
    console.print(Text.assemble(("Agent   ", "green"), reply.answer))
    if reply.interrupted:
        console.print(Text(f"        {reply.interrupted} answer(s) that began in a pause were stopped", "dim"))
    console.print(waterfall(reply.timeline_ms))
    if out is not None:
        console.print(Text(f"Answer written to {out} ({len(reply.audio) / WIRE_RATE:.1f} s)", "dim"))


def list_sound_devices() -> None:
    """Print the microphones and speakers. Raises `NoSoundDevice` if there are none."""
    devices = list_devices()
    if not devices:
        find_device(devices, "speaker", None)  # says what to do
    output().print(device_table(devices))


async def talk(
    settings: Settings, url: str | None, microphone: str | None, speaker: str | None, echo: EchoMode, own: bool
) -> None:
    """Hold a conversation at the local sound card until cancelled. `own`: as in `ask`."""
    # Missing devices are reported before the models are loaded.
    devices = list_devices()
    find_device(devices, "microphone", microphone)
    find_device(devices, "speaker", speaker)
    guard = guard_against_echo(echo)
    async with _connection(settings, url, own, playback=True) as (connection, server):
        found = await find_server(server)
        await talking.talk(connection, str(found or server), microphone, speaker, guard, Console())


@asynccontextmanager
async def _connection(
    settings: Settings, url: str | None, own: bool, playback: bool = False
) -> AsyncIterator[tuple[Connection, str]]:
    """A session, and its server's base URL: the server at `url`, else that of the settings if it runs, else one here.

    `own`: a server in this process in any case.
    """
    api_key = settings.server.api_key.get_secret_value()
    if url is not None:
        url = server_url(url)
    elif not own and (found := await find_server(address(settings.server.host, settings.server.port))) is not None:
        url = found.url
    if url is not None:
        async with connect(url, api_key, playback=playback) as connection:
            yield connection, url
        return
    async with (
        _engine(settings) as engine,
        running(engine, settings) as here,
        connect(here, api_key, playback=playback) as connection,
    ):
        yield connection, here


@asynccontextmanager
async def _engine(settings: Settings) -> AsyncIterator[Engine]:
    """The loaded engine. Shows progress while it loads."""
    if sentence := fallback_sentence(settings):
        _err.print(Text(sentence, "yellow"), soft_wrap=True)
    with _err.status("") as status:
        async with loaded(settings, lambda stage: status.update(f"{stage} …")) as engine:
            status.stop()
            yield engine
