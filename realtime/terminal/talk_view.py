"""The view of a call in a terminal: captions that scroll by and, below them, who is speaking and how loud."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from audio.pcm import Pcm
from realtime.terminal.captions import Caption, Heard, Note, Said, Speaking
from realtime.terminal.sound_card import Device

_METER_WIDTH = 12
_KEPT = 50
"""Captions that are printed again when the terminal's size has changed."""
_SILENT_DB, _LOUD_DB = -60.0, -6.0
_DECAY = 0.8
"""Factor by which a meter falls per frame. It rises at once, as meters do."""
_LIGHTS = {
    Speaking.LISTENING: ("○ listening", "dim"),
    Speaking.HEARING: ("● hearing you", "cyan"),
    Speaking.THINKING: ("◌ thinking", "yellow"),
    Speaking.SPEAKING: ("● speaking", "green"),
}


class Meter:
    """Level meter, from 0 to 1."""

    def __init__(self) -> None:
        self.value = 0.0

    def push(self, pcm: Pcm) -> None:
        if not len(pcm):
            return
        db = 20 * math.log10(float(np.sqrt(np.mean(pcm**2))) + 1e-9)
        self.value = max(self.value, min(1.0, max(0.0, (db - _SILENT_DB) / (_LOUD_DB - _SILENT_DB))))

    def read(self) -> float:
        """The level. It falls a little each time."""
        value, self.value = self.value, self.value * _DECAY
        return value


@dataclass(frozen=True, slots=True)
class Frame:
    """The state of a call that the view shows."""

    floor: Speaking
    you: float
    agent: float
    """Levels, 0 to 1."""
    voice_to_voice_s: float | None
    """Time of the last answer."""
    open_lines: Sequence[Caption]
    """Captions that may still change."""


class View(Protocol):
    """Shows a call, in a terminal or as plain lines."""

    def __enter__(self) -> "View": ...
    def __exit__(self, *_: object) -> None: ...

    def print(self, lines: Sequence[Caption]) -> None:
        """Print captions that will not change any more."""
        ...

    def show(self, frame: Frame) -> None:
        """Show the current state."""
        ...


def view_on(console: Console) -> View:
    """The view that suits a console: live in a terminal, plain in a file or pipe."""
    return LiveView(console) if console.is_terminal else PlainView(console)


class PlainView:
    """Prints one line after another, for a file or a pipe."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> "PlainView":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def print(self, lines: Sequence[Caption]) -> None:
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

    def show(self, frame: Frame) -> None:
        pass


class LiveView:
    """Shows a call in a terminal. At the end of the context only the captions remain on the screen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = self._region()
        self._size = console.size
        self._printed: deque[Caption] = deque(maxlen=_KEPT)

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def print(self, lines: Sequence[Caption]) -> None:
        for line in lines:
            self._console.print(caption(line))
        self._printed.extend(lines)

    def show(self, frame: Frame) -> None:
        if self._console.size != self._size:
            self._redraw()
        self._live.update(Group(*map(caption, frame.open_lines), status(frame)), refresh=True)

    def _redraw(self) -> None:
        """Draw the screen anew. A terminal that became narrower has broken lines whose number only it knows."""
        self._size = self._console.size
        self._live.stop()
        self._console.clear()
        for line in self._printed:
            self._console.print(caption(line))
        self._live = self._region()
        self._live.start()

    def _region(self) -> Live:
        return Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")


def caption(line: Caption) -> RenderableType:
    """A caption's words next to its speaker's name."""
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


def status(frame: Frame) -> Text:
    """One line with the state, both levels, and the time of the last answer."""
    light, style = _LIGHTS[frame.floor]
    return Text.assemble(
        (f"{light:15}", style),
        ("you ", "dim"),
        meter(frame.you, "cyan"),
        ("  antiphon ", "dim"),
        meter(frame.agent, "green"),
        (f"  {frame.voice_to_voice_s:.2f} s" if frame.voice_to_voice_s is not None else "", "dim"),
        no_wrap=True,
        overflow="crop",
    )


def meter(level: float, style: str) -> Text:
    """A bar for a level from 0 to 1."""
    filled = round(level * _METER_WIDTH)
    return Text.assemble(("━" * filled, style), ("─" * (_METER_WIDTH - filled), "dim"))


def device_table(devices: Sequence[Device]) -> RenderableType:
    """The devices with their numbers and channels."""
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
    """Words that were spoken; then words to come or, after a cut, words that were never played."""
    shown = [word.text for word in line.shown]
    spoken, rest = shown[: line.spoken], shown[line.spoken :]
    if line.is_final and not line.is_cut:
        return Text(" ".join(word.text for word in line.words))
    space = " " if spoken and rest else ""
    return Text.assemble(" ".join(spoken) + space, (" ".join(rest), "dim strike" if line.is_cut else "dim"))
