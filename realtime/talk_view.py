"""What a call looks like in a terminal: captions that scroll by and, below them, who is speaking and how loud."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from realtime.captions import Floor, Heard, Line, Note, Said
from realtime.microphone import Device
from tts.synthesizer import Pcm

_METER_WIDTH = 12
_SILENT_DB, _LOUD_DB = -60.0, -6.0
_DECAY = 0.8
"""Of a meter, at each look. It rises at once, as meters do."""
_LIGHTS = {
    Floor.LISTENING: ("○ listening", "dim"),
    Floor.HEARING: ("● hearing you", "cyan"),
    Floor.THINKING: ("◌ thinking", "yellow"),
    Floor.SPEAKING: ("● speaking", "green"),
}


class Meter:
    """How loud it is, from 0 to 1."""

    def __init__(self) -> None:
        self.value = 0.0

    def push(self, pcm: Pcm) -> None:
        if not len(pcm):
            return
        db = 20 * math.log10(float(np.sqrt(np.mean(pcm**2))) + 1e-9)
        self.value = max(self.value, min(1.0, max(0.0, (db - _SILENT_DB) / (_LOUD_DB - _SILENT_DB))))

    def look(self) -> float:
        """The value, which falls a little each time."""
        value, self.value = self.value, self.value * _DECAY
        return value


@dataclass(frozen=True, slots=True)
class Look:
    """What a call looks like now."""

    floor: Floor
    you: float
    agent: float
    """Levels, 0 to 1."""
    voice_to_voice_s: float | None
    """Of the last answer."""
    open_lines: Sequence[Line]
    """Captions that still change."""


class View(Protocol):
    def __enter__(self) -> "View": ...
    def __exit__(self, *_: object) -> None: ...

    def print(self, lines: Sequence[Line]) -> None:
        """Lines that will not change any more."""
        ...

    def show(self, look: Look) -> None: ...


def view_on(console: Console) -> View:
    return LiveView(console) if console.is_terminal else PlainView(console)


class PlainView:
    """For a file or a pipe: one line after the other."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> "PlainView":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def print(self, lines: Sequence[Line]) -> None:
        for line in lines:
            match line:
                case Heard():
                    text = f"You       {line.text}"
                case Said():
                    said = " ".join(word.text for word in line.words[: line.spoken if line.is_cut else None])
                    text = f"Antiphon  {said}{' … (interrupted)' if line.is_cut else ''}"
                case Note():
                    text = line.text
            self._console.print(Text(text), soft_wrap=True)

    def show(self, look: Look) -> None:
        pass


class LiveView:
    """For a terminal. Its screen is as it was when the context ends, but for the captions."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def print(self, lines: Sequence[Line]) -> None:
        for line in lines:
            self._live.console.print(caption(line))

    def show(self, look: Look) -> None:
        self._live.update(Group(*map(caption, look.open_lines), status(look)), refresh=True)


def caption(line: Line) -> RenderableType:
    """A line as it stands, its words beside its speaker's name."""
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=8, no_wrap=True)
    row.add_column(overflow="fold")
    match line:
        case Heard():
            row.add_row(Text("You", "cyan"), Text(line.text or "…", "" if line.is_final else "dim"))
        case Said():
            row.add_row(Text("Antiphon", "green"), _words(line))
        case Note():
            return Text(line.text, "red" if line.is_trouble else "dim")
    return row


def status(look: Look) -> Text:
    """One line: the state, both levels, and how quick the last answer was."""
    light, style = _LIGHTS[look.floor]
    return Text.assemble(
        (f"{light:15}", style),
        ("you ", "dim"),
        meter(look.you, "cyan"),
        ("  antiphon ", "dim"),
        meter(look.agent, "green"),
        (f"  {look.voice_to_voice_s:.2f} s" if look.voice_to_voice_s is not None else "", "dim"),
        no_wrap=True,
        overflow="crop",
    )


def meter(level: float, style: str) -> Text:
    filled = round(level * _METER_WIDTH)
    return Text.assemble(("━" * filled, style), ("─" * (_METER_WIDTH - filled), "dim"))


def device_table(devices: Sequence[Device]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", justify="right")
    table.add_column("device", overflow="fold")
    table.add_column("in", justify="right")
    table.add_column("out", justify="right")
    table.add_column("")
    for device in devices:
        defaults = [kind for kind in ("microphone", "speaker") if device.is_default(kind)]
        table.add_row(
            str(device.index),
            Text(device.name),
            str(device.inputs or "–"),
            str(device.outputs or "–"),
            Text(f"default {' and '.join(defaults)}" if defaults else "", "green"),
        )
    return table


def _words(line: Said) -> Text:
    """Those that were spoken; then those to come, or those that nobody heard."""
    shown = [word.text for word in line.shown]
    spoken, rest = shown[: line.spoken], shown[line.spoken :]
    if line.is_final and not line.is_cut:
        return Text(" ".join(word.text for word in line.words))
    space = " " if spoken and rest else ""
    return Text.assemble(" ".join(spoken) + space, (" ".join(rest), "dim strike" if line.is_cut else "dim"))
