"""Voice to voice: from the last sample of a person's speech to the first of the answer, as a client hears it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from rich.console import Group, RenderableType
from rich.table import Table

from bench.caller import Answered, hold
from bench.corpus import Recording
from bench.report import BAD, GOOD, LINE, PALE, in_a_line, number, percentile
from bench.wer import word_error_percent
from realtime.client import Connection, connect
from realtime.waterfall import waterfall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Detection = Literal["server_vad", "semantic_vad"]

_SOON_S = 2.0
"""A finished turn that is answered later counts as missed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One measured turn; times in milliseconds."""

    name: str
    voice_to_voice_ms: float | None
    decided_to_packet_ms: float | None
    early: int
    pauses: int
    longest_gap_ms: float
    timeline_ms: dict[str, float]
    asked: str
    heard: str
    said: str


@dataclass(frozen=True, slots=True)
class Report:
    detection: Detection
    conversations: int
    turns: list[Turn]

    @property
    def voice_to_voice(self) -> list[float]:
        return [turn.voice_to_voice_ms for turn in self.turns if turn.voice_to_voice_ms is not None]

    def as_data(self) -> dict[str, object]:
        return {**asdict(self), "summary": self.summary(), "stages_ms": self.stages()}

    def summary(self) -> dict[str, float | int | None]:
        decided = [turn.decided_to_packet_ms for turn in self.turns if turn.decided_to_packet_ms is not None]
        return {
            "turns": len(self.turns),
            "voice_to_voice_p50_ms": percentile(self.voice_to_voice, 50),
            "voice_to_voice_p90_ms": percentile(self.voice_to_voice, 90),
            "voice_to_voice_p99_ms": percentile(self.voice_to_voice, 99),
            "decided_to_packet_p50_ms": percentile(decided, 50),
            "answered_within_2_s": sum(ms <= _SOON_S * 1000 for ms in self.voice_to_voice),
            "pauses": sum(turn.pauses for turn in self.turns),
            "pauses_answered_early": sum(min(turn.early, turn.pauses) for turn in self.turns),
            "underruns": sum(turn.longest_gap_ms > 0 for turn in self.turns),
            "word_error_percent": word_error_percent([(turn.asked, turn.heard) for turn in self.turns]),
        }

    def stages(self) -> dict[str, float]:
        """Median milliseconds from the end of speech, as the agent detected it, to each stage of a turn."""
        names = dict.fromkeys(name for turn in self.turns for name in turn.timeline_ms)
        return {name: median(t.timeline_ms[name] for t in self.turns if name in t.timeline_ms) for name in names}

    def as_table(self) -> RenderableType:
        table = Table("turn", "voice to voice", "decided → packet", "early", "heard", box=None, pad_edge=False)
        for turn in self.turns:
            times = (turn.voice_to_voice_ms, turn.decided_to_packet_ms)
            table.add_row(turn.name, *(f"{number(ms)} ms" for ms in times), str(turn.early or ""), turn.heard)
        return Group(table, in_a_line(self.summary()), waterfall(self.stages()))

    def draw(self, figure: "Figure") -> None:
        names = sorted({turn.name for turn in self.turns}, reverse=True)
        stages = self.stages()
        figure.set_size_inches(8, 0.2 * (len(names) + len(stages)) + 1.8)
        above, below = figure.subplots(2, sharex=True, height_ratios=(len(names), max(len(stages), 1)))
        self._draw_turns(above, names)
        before = 0.0
        for stage, at in sorted(stages.items(), key=lambda entry: entry[1]):
            below.barh(stage.replace("_", " "), at - before, left=before, color=PALE)
            below.text(at, stage.replace("_", " "), f" {at:.0f}", va="center", color=LINE)
            before = at
        below.invert_yaxis()
        below.set_xlabel("ms since the last sample of speech (stages: medians, since the agent's own end of speech)")

    def _draw_turns(self, axes: "Axes", names: Sequence[str]) -> None:
        """A dot a turn, a row a recording."""
        for turn in self.turns:
            if turn.voice_to_voice_ms is not None:
                axes.plot(turn.voice_to_voice_ms, names.index(turn.name), "o", color=BAD if turn.early else GOOD)
        for percent, style in ((50, "-"), (90, "--")):
            at = percentile(self.voice_to_voice, percent)
            if at is not None:
                axes.axvline(at, color=LINE, linestyle=style, linewidth=1, label=f"p{percent} {at:.0f} ms")
        axes.set_yticks(range(len(names)), names)
        axes.set_title(f"Voice to voice, {self.detection}, {self.conversations} at once (red: also answered early)")
        if self.voice_to_voice:
            axes.legend(loc="upper left")


async def measure(
    url: str,
    api_key: str,
    corpus: Sequence[Recording],
    detection: Detection,
    conversations: int = 1,
    repeats: int = 1,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Speak every turn of `corpus`, each in a session of its own, `conversations` of them at any time."""
    waiting = [spoken for _ in range(repeats) for spoken in corpus]
    turns: list[Turn] = []

    async def converse() -> None:
        while waiting:
            spoken = waiting.pop(0)
            async with connect(url, api_key) as connection:
                await _prepare(connection, detection)
                turns.append(turn_of(spoken, await hold(connection, spoken)))
                tell(f"{len(turns)} turns: {spoken.name} {number(turns[-1].voice_to_voice_ms)} ms")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(conversations):
            tasks.create_task(converse())
    return Report(detection, conversations, sorted(turns, key=lambda turn: turn.name))


async def _prepare(connection: Connection, detection: Detection) -> None:
    audio = {"input": {"turn_detection": {"type": detection}, "transcription": {"model": "antiphon"}}}
    await connection.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
    while (await connection.receive())["type"] != "session.updated":
        pass


def turn_of(spoken: Recording, answered: Answered) -> Turn:
    """What was measured, counted from the last sample of speech."""
    first, timeline = answered.first_sound_s, answered.timeline_ms
    packet, decided = timeline.get("first_packet"), timeline.get("turn_decided")
    return Turn(
        name=spoken.name,
        voice_to_voice_ms=None if first is None else (first - spoken.speech_end_s) * 1000,
        decided_to_packet_ms=None if packet is None or decided is None else packet - decided,
        early=answered.early,
        pauses=len(spoken.pauses),
        longest_gap_ms=max(answered.gaps_s, default=0.0) * 1000,
        timeline_ms=timeline,
        asked=spoken.text,
        heard=answered.heard,
        said=answered.said,
    )
