"""What a call looks like, drawn on consoles that are none."""

import io

import numpy as np
import pytest
from rich.console import Console, Group

from audio.pcm import silence
from realtime.terminal.captions import Caption, Heard, Note, Said, Speaking, Word
from realtime.terminal.sound_card import Device
from realtime.terminal.talk_view import Frame, LiveView, Meter, PlainView, device_table, status, view_on


def words(text: str) -> list[Word]:
    return [Word(word, at) for at, word in enumerate(text.split())]


CUT = Said("a2", "r2", words=words("That is far. It is cold there."), spoken=2, is_cut=True, is_final=True)
LINES: list[Caption] = [
    Note("Speak."),
    Heard("u1", "Where is Neptune?", is_final=True),
    Said("a1", "r1", words=words("Behind Uranus."), spoken=2, is_final=True),
    CUT,
]


def drawn(terminal: bool, width: int = 80) -> Console:
    return Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system="truecolor" if terminal else None
    )


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_it_is_lines() -> None:
    console = drawn(terminal=False)
    view = view_on(console)
    assert isinstance(view, PlainView)
    with view:
        view.print(LINES)
        view.show(Frame(Speaking.SPEAKING, 0, 0, None, [Heard("u2", "And")]))
    assert text(console).splitlines() == [
        "Speak.",
        "You       Where is Neptune?",
        "Antiphon  Behind Uranus.",
        "Antiphon  That is … (interrupted)",
    ]


def test_words_that_were_never_played_are_struck_out_to_the_end_of_their_sentence() -> None:
    console = drawn(terminal=True)
    view = view_on(console)
    assert isinstance(view, LiveView)
    with view:
        view.print(LINES)
    assert "That is \x1b[2;9mfar.\x1b[0m" in text(console)
    assert "cold" not in text(console)


def test_below_the_captions_stand_the_state_the_levels_and_the_time() -> None:
    console = drawn(terminal=True)
    coming = Said("a3", "r3", words=words("It is cold there. Very."), spoken=1)
    with LiveView(console) as view:
        view.show(Frame(Speaking.SPEAKING, 0.5, 1.0, 0.423, [coming]))
        shown = text(console)
    for part in ("● speaking", "━━━━━━", "━━━━━━━━━━━━", "0.42 s", "It \x1b[0m\x1b[2mis cold there."):
        assert part in shown.replace("It \x1b[2m", "It \x1b[0m\x1b[2m")
    assert "Very" not in shown
    # The region is gone in the end, and the cursor is back.
    assert text(console).rstrip().endswith("\x1b[2K")
    assert text(console).rfind("\x1b[?25h") > text(console).rfind("\x1b[?25l")


def test_a_terminal_that_changes_its_size_is_drawn_anew() -> None:
    console = drawn(terminal=True)
    frame = Frame(Speaking.HEARING, 0, 0, None, [Heard("u2", "And")])
    with LiveView(console) as view:
        view.print(LINES)
        view.show(frame)
        before = text(console)
        assert "\x1b[2J" not in before
        console.width = 40
        view.show(frame)
        after = text(console).removeprefix(before)
        assert "\x1b[2J\x1b[H" in after
        anew = after.partition("\x1b[H")[2]
        assert anew.count("Where is Neptune?") == anew.count("● hearing you") == 1
        view.show(frame)
        assert text(console).count("\x1b[2J") == 1


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_status_is_one_line(width: int) -> None:
    console = drawn(terminal=False, width=width)
    console.print(Group(status(Frame(Speaking.HEARING, 0.2, 0.9, 1.0, []))))
    (line,) = text(console).splitlines()
    assert line.startswith("● hearing you")


def test_a_meter_rises_at_once_and_falls_slowly() -> None:
    meter = Meter()
    meter.push(silence(480))
    assert meter.read() == 0
    meter.push(silence(480) + np.float32(0.03))
    middle = meter.read()
    assert 0.4 < middle < 0.6
    meter.push(silence(480) + 1)
    levels = [meter.read() for _ in range(4)]
    assert levels[0] == 1
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] > 0.4


def test_devices_are_a_table() -> None:
    console = drawn(terminal=False)
    console.print(device_table([Device(0, "Headset [USB]", 1, 2, True, True), Device(2, "HDMI", 0, 8, False, False)]))
    rows = [line.split() for line in text(console).splitlines()]
    assert rows == [
        ["device", "in", "out"],
        ["0", "Headset", "[USB]", "1", "2", "default", "microphone", "and", "speaker"],
        ["2", "HDMI", "–", "8"],
    ]
