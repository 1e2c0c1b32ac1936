"""The command `antiphon`. What a command does is imported when it runs, so that `--help` comes at once."""

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.logging import RichHandler

from realtime.commands_bench import bench_app
from realtime.commands_models import models_app
from realtime.console import run
from realtime.doctor import doctor
from realtime.settings import load_settings

app = typer.Typer(
    name="antiphon",
    help="A real-time speech-to-speech agent: speak to it and hear it answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(models_app, name="models")
app.add_typer(bench_app, name="bench")
app.command("doctor")(doctor)

Config = Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")]
Url = Annotated[
    str | None,
    typer.Option(help="Server to talk to.", show_default="the one of the settings if it runs, else in process"),
]


@app.command()
def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8000")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens in the sessions.")] = False,
) -> None:
    """Load the models and serve: the OpenAI Realtime protocol at /v1/realtime."""
    flags = {key: value for key, value in (("host", host), ("port", port)) if value is not None}

    async def work() -> None:
        from realtime.commands import serve

        logging.basicConfig(
            level=logging.INFO if verbose else logging.WARNING,
            format="%(name)s: %(message)s",
            handlers=[RichHandler(console=Console(stderr=True), show_path=False)],
        )
        await serve(load_settings(config, {"server": flags}))

    run(work)


@app.command()
def ask(
    question: Annotated[Path, typer.Argument(metavar="QUESTION.wav", help="The spoken question.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Where to write the spoken answer.", show_default=False)] = None,
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as one line of JSON.")] = False,
    config: Config = None,
) -> None:
    """Ask one spoken question: prints what was heard, the answer, and the time that every stage took."""

    async def work() -> None:
        from realtime.commands import ask

        await ask(load_settings(config), question, out, url, as_json)

    run(work)


@app.command()
def talk(
    url: Url = None,
    microphone: Annotated[
        str | None, typer.Option(help="Its number, or a part of its name.", show_default="the system's")
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="Likewise.", show_default="the system's")] = None,
    echo: Annotated[
        Literal["auto", "cancel", "half-duplex", "off"],
        typer.Option(
            help="Its own voice in the microphone. cancel: taken out. half-duplex: the microphone is off while it "
            "speaks. off: for headphones. auto: cancel where that can be, else half-duplex."
        ),
    ] = "auto",
    list_devices: Annotated[bool, typer.Option("--list-devices", help="Show microphones and speakers.")] = False,
    config: Config = None,
) -> None:
    """Talk to it at this machine's microphone and speaker. Ctrl-C ends the conversation."""

    async def work() -> None:
        from realtime.commands import list_sound_devices, talk

        if list_devices:
            list_sound_devices()
        else:
            await talk(load_settings(config), url, microphone, speaker, echo)

    run(work, interrupted=0)


@app.command()
def voices(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
    config: Config = None,
) -> None:
    """List the voices: engine, language, licence, size and state."""

    async def work() -> None:
        from realtime.commands_voices import voices

        await voices(load_settings(config), as_json)

    run(work)


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say.", show_default=False)],
    voice: Annotated[
        str | None, typer.Option(help="One of `antiphon voices`.", show_default="the one of the settings")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the sound, .wav or .ogg, in place of the speaker.", show_default=False)
    ] = None,
    speaker: Annotated[
        str | None, typer.Option(help="Its number, or a part of its name.", show_default="the system's")
    ] = None,
    config: Config = None,
) -> None:
    """Speak a text, at this machine's speaker or into a file."""

    async def work() -> None:
        from realtime.commands_voices import say

        await say(load_settings(config), text, voice, out, speaker)

    run(work)


def main() -> None:
    app()
