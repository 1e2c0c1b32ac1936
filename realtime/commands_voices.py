"""antiphon voices and antiphon say: which voices there are, and how they sound."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.audio import silence
from pipeline.errors import PlainError
from pipeline.models import ModelStore
from pipeline.voices import Choir, Listed, State, voices_at_hand
from realtime.client import WIRE_RATE, find_server
from realtime.microphone import find_device, list_devices
from realtime.say import speak, speak_aloud
from realtime.settings import Settings
from realtime.wav import check_writable, write_wav
from tts.synthesizer import Pcm, SpeechFailed, UnknownVoice

_STYLES: dict[State, str] = {
    "loaded": "green",
    "on disk": "green",
    "elsewhere": "green",
    "to be fetched": "yellow",
    "package missing": "yellow",
}


class CannotSay(PlainError):
    """The voice can't speak; the message says why and what to do."""


async def voices(settings: Settings, as_json: bool) -> None:
    """Print every voice there is."""
    choir = _choir(settings)
    found = await find_server(settings.server.host, settings.server.port)
    loaded = found.loaded_voices if found else ()
    if as_json:
        typer.echo(json.dumps([_as_data(listed, loaded) for listed in choir.list()], indent=2))
    else:
        console = Console()
        console.print(_as_table(choir, loaded))
        console.print(Text("Bold: speaks where none is asked for. Voices of one engine share its size.", "dim"))
        for remedy in dict.fromkeys(choir.absent().values()):
            console.print(Text(remedy, "yellow"), soft_wrap=True)


async def say(settings: Settings, text: str, name: str | None, out: Path | None, device: str | None) -> None:
    """Speak `text` at a loudspeaker, or into a file."""
    # What is missing is said before the voice is loaded.
    if out is not None:
        check_writable(out)
    else:
        find_device(list_devices(), "speaker", device)
    choir = _choir(settings)
    console = Console(stderr=True)
    pieces: list[Pcm] = []
    try:
        with console.status(f"loading the voice {name or choir.first} …"):
            await asyncio.to_thread(choir.load, name or choir.first)
        voice = choir.open(name or choir.first)
        if out is None:
            said = await speak_aloud(voice, text, device)
        else:
            said = await speak(voice, text, pieces.append)
            write_wav(out, np.concatenate([silence(0), *pieces]), WIRE_RATE)
    except (UnknownVoice, SpeechFailed) as error:
        raise CannotSay(str(error)) from error
    finally:
        choir.close()
    first = "nothing to say" if said.first_sound_s is None else f"first sound after {said.first_sound_s:.2f} s"
    where = f" in {out}" if out is not None else ""
    console.print(Text(f"{said.seconds:.1f} s of speech{where}, {first}, all of it after {said.took_s:.2f} s", "dim"))


def _choir(settings: Settings) -> Choir:
    return voices_at_hand(settings, ModelStore(settings.models.cache, settings.models.offline))


def _as_data(listed: Listed, loaded: Sequence[str]) -> dict[str, object]:
    return {
        "name": listed.voice.name,
        "engine": listed.engine,
        "language": listed.voice.language,
        "licence": listed.voice.licence,
        "bytes": listed.bytes,
        "state": _state(listed, loaded),
    }


def _as_table(choir: Choir, loaded: Sequence[str]) -> Table:
    table = Table("voice", "engine", "language", "licence", "size", "state", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[4].justify = "right"
    for listed in choir.list():
        state = _state(listed, loaded)
        table.add_row(
            Text(listed.voice.name, "bold" if listed.voice.name == choir.first else ""),
            Text(listed.engine),
            Text(listed.voice.language or "-"),
            Text(listed.voice.licence or "-"),
            Text(f"{listed.bytes / 1e6:,.0f} MB" if listed.bytes else "-", no_wrap=True),
            Text(state, _STYLES[state]),
        )
    return table


def _state(listed: Listed, loaded: Sequence[str]) -> State:
    """Loaded, if it is in the server that runs."""
    return "loaded" if listed.voice.name in loaded else listed.state
