"""A turn's timeline as a chart for the terminal."""

from collections.abc import Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

_WIDTH = 40

_NAMES = {
    "speech_ended": "speech ended",
    "pause_seen": "pause seen",
    "turn_decided": "turn decided",
    "transcript_ready": "transcript ready",
    "first_thought": "first thought",
    "first_token": "first token",
    "first_clause": "first clause",
    "first_audio": "first audio",
    "first_packet": "first packet sent",
    "interrupted": "interrupted",
}


def waterfall(timeline_ms: Mapping[str, float]) -> RenderableType:
    """Each stage with its time since the end of speech, and a bar from the stage before to it."""
    if not timeline_ms:
        return Text("no times were measured", "dim")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    longest = max(timeline_ms.values()) or 1
    before = 0.0
    for stage, at in sorted(timeline_ms.items(), key=lambda entry: entry[1]):
        start, end = round(before / longest * _WIDTH), round(at / longest * _WIDTH)
        bar = Text(" " * start) + Text("━" * max(end - start, 1), "cyan")
        table.add_row(Text(_NAMES.get(stage, stage)), Text(f"{at:.0f} ms"), bar)
        before = at
    return table
