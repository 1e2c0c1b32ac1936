"""The command `antiphon`. A command's code is imported when it runs, so that `--help` is instant."""

from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.profiles import ProfileName
from pipeline.weights.store import known_models
from realtime.cli.console import CONTEXT, examples, run
from realtime.cli.doctor import doctor
from realtime.cli.keys import keys_app
from realtime.cli.models import models_app
from realtime.settings import load_settings

app = typer.Typer(
    name="antiphon",
    no_args_is_help=True,
    context_settings=CONTEXT,
    pretty_exceptions_enable=False,
    epilog=examples("antiphon serve", "antiphon ask question.wav", "antiphon talk"),
)
app.add_typer(models_app, name="models")
app.add_typer(keys_app, name="keys")
for extension in entry_points(group="antiphon.commands"):
    app.add_typer(extension.load(), name=extension.name)
app.command("doctor", epilog=examples("antiphon doctor", "antiphon doctor --json"))(doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"antiphon {version('antiphon')}")
        raise typer.Exit


@app.callback()
def antiphon(
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """A real-time speech-to-speech agent: speak to it and hear it answer."""


Config = Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")]
Url = Annotated[
    str | None,
    typer.Option(help="Server to talk to.", show_default="that of the settings if it runs, else one in this process"),
]
Profile = Annotated[
    ProfileName | None, typer.Option(help="Set of settings: able answers well, tiny fast.", show_default="able")
]
Decoder = Annotated[
    str | None,
    typer.Option(help="Language model: one of `antiphon models`, or a GGUF file.", show_default="the profile's"),
]


@app.command(
    epilog=examples(
        "antiphon serve --port 9000",
        "antiphon serve --profile tiny",
        "antiphon serve --decoder qwen3-4b",
        "antiphon serve --lan",
    )
)
def serve(
    config: Config = None,
    profile: Profile = None,
    decoder: Decoder = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8000")] = None,
    certfile: Annotated[
        Path | None, typer.Option(help="Certificate for TLS, a PEM file.", show_default="no TLS")
    ] = None,
    keyfile: Annotated[Path | None, typer.Option(help="Its private key, a PEM file.", show_default=False)] = None,
    lan: Annotated[
        bool,
        typer.Option(
            "--lan",
            help="Serve phones in the same network: with a certificate and a key made for them, and a QR code to scan.",
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log the sessions.")] = False,
) -> None:
    """Load the models and serve the OpenAI Realtime protocol at /v1/realtime."""
    flags = {"host": host, "port": port, "certfile": certfile, "keyfile": keyfile}
    server = {name: value for name, value in flags.items() if value is not None}

    async def work() -> None:
        from realtime.cli.conversations import serve
        from realtime.observability.logs import configure

        log = {"log": {"level": "info"}} if verbose else {}
        settings = load_settings(config, {**_flags(profile, decoder), "server": server, **log})
        configure(settings.log.level, settings.log.format)
        await serve(settings, lan)

    run(work)


@app.command(
    epilog=examples(
        "antiphon ask question.wav",
        "antiphon ask question.wav --out answer.wav",
        "antiphon ask question.wav --json --url localhost:9000",
    )
)
def ask(
    question: Annotated[Path, typer.Argument(metavar="QUESTION.wav", help="The spoken question.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="File for the spoken answer.", show_default=False)] = None,
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")] = False,
    config: Config = None,
    profile: Profile = None,
    decoder: Decoder = None,
) -> None:
    """Ask one spoken question. Prints the question as recognized, the answer, and the time of each stage."""

    async def work() -> None:
        from realtime.cli.conversations import ask

        flags = _flags(profile, decoder, url)
        await ask(load_settings(config, flags), question, out, url, as_json, own=bool(flags))

    run(work)


@app.command(
    epilog=examples(
        "antiphon talk",
        "antiphon talk --list-devices",
        "antiphon talk --microphone USB --speaker 3 --echo off",
    )
)
def talk(
    url: Url = None,
    microphone: Annotated[
        str | None, typer.Option(help="Number of the microphone, or part of its name.", show_default="the system's")
    ] = None,
    speaker: Annotated[str | None, typer.Option(help="The same for the speaker.", show_default="the system's")] = None,
    echo: Annotated[
        Literal["auto", "cancel", "half-duplex", "off"],
        typer.Option(
            help="What to do about the agent's voice in the microphone. cancel: remove it. half-duplex: turn the "
            "microphone off while the agent speaks. off: nothing, for headphones. auto: cancel if possible, else "
            "half-duplex."
        ),
    ] = "auto",
    list_devices: Annotated[bool, typer.Option("--list-devices", help="Show microphones and speakers.")] = False,
    config: Config = None,
    profile: Profile = None,
    decoder: Decoder = None,
) -> None:
    """Talk to the agent at this machine's microphone and speaker. Ctrl-C ends the conversation."""

    async def work() -> None:
        from realtime.cli.conversations import list_sound_devices, talk

        if list_devices:
            list_sound_devices()
        else:
            flags = _flags(profile, decoder, url)
            await talk(load_settings(config, flags), url, microphone, speaker, echo, own=bool(flags))

    run(work, interrupted=0)


@app.command(epilog=examples("antiphon voices", "antiphon voices --json"))
def voices(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
    config: Config = None,
) -> None:
    """List the voices: engine, language, sex, licence, size and state."""

    async def work() -> None:
        from realtime.cli.voices import voices

        await voices(load_settings(config), as_json)

    run(work)


@app.command(
    epilog=examples(
        "antiphon say 'Good morning.'",
        "antiphon say 'What is the capital of France?' --out question.wav",
        "antiphon say - < letter.txt",
    )
)
def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads it from the standard input.", show_default=False)],
    voice: Annotated[
        str | None, typer.Option(help="One of `antiphon voices`.", show_default="the one of the settings")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the sound, .wav or .ogg, in place of the speaker.", show_default=False)
    ] = None,
    speaker: Annotated[
        str | None, typer.Option(help="Number of the speaker, or part of its name.", show_default="the system's")
    ] = None,
    config: Config = None,
) -> None:
    """Speak a text, at this machine's speaker or into a file."""

    async def work() -> None:
        from realtime.cli.voices import say

        await say(load_settings(config), text, voice, out, speaker)

    run(work)


@app.command(epilog=examples("antiphon config", "antiphon config > config.toml"))
def config() -> None:
    """Print a settings file that has every setting with its default, unit and reason."""
    from realtime.cli.config_file import config_file

    typer.echo(config_file(), nl=False)


def _flags(profile: ProfileName | None, decoder: str | None, url: str | None = None) -> dict[str, object]:
    """The settings that these options stand for. They are for an agent of this process, not for a server at `url`."""
    flags: dict[str, object] = {}
    if profile is not None:
        flags["profile"] = profile
    if decoder is not None:
        known = known_models().get(decoder.partition("@")[0])
        in_torch = not known.in_llama if known is not None else Path(decoder).expanduser().is_dir()
        flags["decoder"] = {"model": decoder, "backend": "torch" if in_torch else "llama"}
    if flags and url is not None:
        raise typer.BadParameter("--profile and --decoder are for an agent in this process: leave out --url")
    return flags


def main() -> None:
    app()
