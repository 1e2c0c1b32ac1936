"""The commands `voices` and `say`: list the voices, and speak a text with one."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from audio.errors import PlainError
from audio.pcm import Pcm, silence
from audio.sound_file import check_writable, write_wav
from pipeline.voice_catalogue import State, VoiceCatalogue, VoiceListing, voices_at_hand
from pipeline.weights.store import ModelStore
from realtime.cli.console import output
from realtime.protocol.audio_format import WIRE_RATE
from realtime.settings import Settings
from realtime.terminal.client import address, find_server
from realtime.terminal.say import speak, speak_aloud
from realtime.terminal.sound_card import find_device, list_devices
from tts.synthesizer import SpeechFailed, UnknownVoice

_STYLES: dict[State, str] = {
    "loaded": "green",
    "on disk": "green",
    "elsewhere": "green",
    "to be fetched": "yellow",
    "package missing": "yellow",
}


class CannotSay(PlainError):
    """The voice cannot speak. The message states why and what to do."""


async def voices(settings: Settings, as_json: bool) -> None:
    """Print the list of voices."""
    catalogue = _catalogue(settings)
    found = await find_server(address(settings.server.host, settings.server.port))
    loaded = found.loaded_voices if found else ()
    if as_json:
        typer.echo(json.dumps([_as_data(listed, catalogue.first, loaded) for listed in catalogue.list()], indent=2))
    else:
        console = output()
        console.print(_as_table(catalogue, loaded))
        console.print(Text("Bold: the default. Voices of one engine share its size.", "dim"))
        for remedy in dict.fromkeys(catalogue.absent().values()):
            console.print(Text(remedy, "yellow"), soft_wrap=True)


async def say(settings: Settings, text: str, name: str | None, out: Path | None, device: str | None) -> None:
    """Speak `text`, or the standard input if it is "-", at a loudspeaker or into a file. Raises `CannotSay`."""
    if text == "-":
        text = typer.get_text_stream("stdin").read()
    if not any(map(str.isalnum, text)):
        raise CannotSay("there is nothing to say: the text has no words")
    # A missing device or folder is reported before the voice is loaded.
    if out is not None:
        check_writable(out)
    else:
        find_device(list_devices(), "speaker", device)
    catalogue = _catalogue(settings)
    console = Console(stderr=True)
    pieces: list[Pcm] = []
    try:
        with console.status(f"loading the voice {name or catalogue.first} …"):
            await asyncio.to_thread(catalogue.load, name or catalogue.first)
        voice = catalogue.open(name or catalogue.first)
        if out is None:
            said = await speak_aloud(voice, text, device)
        else:
            said = await speak(voice, text, pieces.append)
            write_wav(out, np.concatenate([silence(0), *pieces]), WIRE_RATE)
    except (UnknownVoice, SpeechFailed) as error:
        raise CannotSay(str(error)) from error
    finally:
        catalogue.close()
    first = "nothing to say" if said.first_sound_s is None else f"first sound after {said.first_sound_s:.2f} s"
    where = f" in {out}" if out is not None else ""
    console.print(Text(f"{said.seconds:.1f} s of speech{where}, {first}, all of it after {said.took_s:.2f} s", "dim"))


def _catalogue(settings: Settings) -> VoiceCatalogue:
    return voices_at_hand(settings, ModelStore(settings.models.cache, settings.models.offline))


def _as_data(listed: VoiceListing, default: str, loaded: Sequence[str]) -> dict[str, object]:
    return {
        "name": listed.voice.name,
        "default": listed.voice.name == default,
        "engine": listed.engine,
        "language": listed.voice.language,
        "sex": listed.voice.sex,
        "licence": listed.voice.licence,
        "bytes": listed.bytes,
        "state": _state(listed, loaded),
    }


def _as_table(catalogue: VoiceCatalogue, loaded: Sequence[str]) -> Table:
    table = Table("voice", "engine", "language", "sex", "licence", "size", "state", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[5].justify = "right"
    for listed in catalogue.list():
        state = _state(listed, loaded)
        table.add_row(
            Text(listed.voice.name, "bold" if listed.voice.name == catalogue.first else ""),
            Text(listed.engine),
            Text(listed.voice.language or "-"),
            Text(listed.voice.sex or "-"),
            Text(listed.voice.licence or "-"),
            Text(f"{listed.bytes / 1e6:,.0f} MB" if listed.bytes else "-", no_wrap=True),
            Text(state, _STYLES[state]),
        )
    return table


def _state(listed: VoiceListing, loaded: Sequence[str]) -> State:
    """State of a voice: "loaded" if a running server has it loaded."""
    return "loaded" if listed.voice.name in loaded else listed.state
