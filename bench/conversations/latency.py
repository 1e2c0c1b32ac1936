"""Voice-to-voice time: from the last sample of the user's speech to the first of the answer, at the client."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from openai.types.realtime import (
    AudioTranscription,
    RealtimeAudioConfig,
    RealtimeAudioConfigInput,
    RealtimeSessionCreateRequest,
    SessionUpdatedEvent,
    SessionUpdateEvent,
)
from openai.types.realtime.realtime_audio_input_turn_detection import SemanticVad, ServerVad
from rich.console import Group, RenderableType
from rich.table import Table

from audio.errors import PlainError
from bench.callers.caller import Answered, hold
from bench.callers.page import hold_in_page
from bench.callers.telephone import hold_by_phone
from bench.corpus import Recording
from bench.report import BAD, GOOD, LINE, PALE, in_a_line, number, percentile
from bench.speech.wer import word_error_percent
from realtime.terminal.client import Connection, connect
from realtime.terminal.waterfall import waterfall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Transport = Literal["websocket", "webrtc", "phone"]
"""A program over a WebSocket; the demo's page in a browser, measured inside the page; or a program over WebRTC,
measured by its packets."""
Detection = Literal["server_vad", "semantic_vad"]

_SOON_S = 2.0
"""A finished turn that is answered later counts as missed."""


class BadCombination(PlainError):
    """A combination of options that cannot be measured. The message states which."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One measured turn. Times are in milliseconds."""

    name: str
    voice_to_voice_ms: float | None
    above_pipeline_ms: float | None
    """Time that transport and client add to the agent's own figure, from the end of speech to the first packet."""
    decided_to_packet_ms: float | None
    early: int
    pauses: int
    longest_gap_ms: float | None
    """None: not measured."""
    timeline_ms: dict[str, float]
    asked: str
    heard: str
    said: str


@dataclass(frozen=True, slots=True)
class Report:
    """Latency of all turns."""

    transport: Transport
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
        above = [turn.above_pipeline_ms for turn in self.turns if turn.above_pipeline_ms is not None]
        gaps = [turn.longest_gap_ms for turn in self.turns if turn.longest_gap_ms is not None]
        pipeline = [turn.timeline_ms["first_packet"] for turn in self.turns if "first_packet" in turn.timeline_ms]
        return {
            "turns": len(self.turns),
            "voice_to_voice_p50_ms": percentile(self.voice_to_voice, 50),
            "voice_to_voice_p90_ms": percentile(self.voice_to_voice, 90),
            "voice_to_voice_p99_ms": percentile(self.voice_to_voice, 99),
            "pipeline_p50_ms": percentile(pipeline, 50),
            "above_pipeline_p50_ms": percentile(above, 50),
            "decided_to_packet_p50_ms": percentile(decided, 50),
            "answered_within_2_s": sum(ms <= _SOON_S * 1000 for ms in self.voice_to_voice),
            "pauses": sum(turn.pauses for turn in self.turns),
            "pauses_answered_early": sum(min(turn.early, turn.pauses) for turn in self.turns),
            "underruns": sum(gap > 0 for gap in gaps) if gaps else None,
            "word_error_percent": word_error_percent([(turn.asked, turn.heard) for turn in self.turns]),
        }

    def stages(self) -> dict[str, float]:
        """Median milliseconds from the end of speech, as the agent detected it, to each stage of a turn."""
        return stages_of([turn.timeline_ms for turn in self.turns])

    def as_table(self) -> RenderableType:
        columns = ("turn", "voice to voice", "above pipeline", "decided → packet", "early", "heard")
        table = Table(*columns, box=None, pad_edge=False)
        for turn in self.turns:
            times = (turn.voice_to_voice_ms, turn.above_pipeline_ms, turn.decided_to_packet_ms)
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
        """One dot for each turn, one row for each recording."""
        for turn in self.turns:
            if turn.voice_to_voice_ms is not None:
                axes.plot(turn.voice_to_voice_ms, names.index(turn.name), "o", color=BAD if turn.early else GOOD)
        for percent, style in ((50, "-"), (90, "--")):
            at = percentile(self.voice_to_voice, percent)
            if at is not None:
                axes.axvline(at, color=LINE, linestyle=style, linewidth=1, label=f"p{percent} {at:.0f} ms")
        axes.set_yticks(range(len(names)), names)
        how = f"{self.transport}, {self.detection}, {self.conversations} at once"
        axes.set_title(f"Voice to voice, {how} (red: also answered early)")
        if self.voice_to_voice:
            axes.legend(loc="upper left")


async def measure(
    url: str,
    api_key: str,
    corpus: Sequence[Recording],
    transport: Transport = "websocket",
    detection: Detection = "semantic_vad",
    conversations: int = 1,
    repeats: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Speak every turn of `corpus`, each in a new session, with `conversations` of them at once. Raises `PlainError`.

    Over WebRTC the page uses semantic turn detection.
    """
    if transport == "webrtc" and detection != "semantic_vad":
        raise BadCombination(f"the page asks for semantic_vad: over webrtc {detection} can't be measured")
    waiting = [spoken for _ in range(repeats) for spoken in corpus]
    turns: list[Turn] = []

    async def converse() -> None:
        while waiting:
            spoken = waiting.pop(0)
            if transport == "webrtc":
                answered = await hold_in_page(url, api_key, transport, spoken)
            elif transport == "phone":
                answered = await hold_by_phone(url, api_key, detection, spoken)
            else:
                async with connect(url, api_key) as connection:
                    await _prepare(connection, detection)
                    answered = await hold(connection, spoken)
            turns.append(turn_of(spoken, answered))
            progress(f"{len(turns)} turns: {spoken.name} {number(turns[-1].voice_to_voice_ms)} ms")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(conversations):
            tasks.create_task(converse())
    return Report(transport, detection, conversations, sorted(turns, key=lambda turn: turn.name))


async def _prepare(connection: Connection, detection: Detection) -> None:
    turn_detection = SemanticVad(type="semantic_vad") if detection == "semantic_vad" else ServerVad(type="server_vad")
    heard = RealtimeAudioConfigInput(turn_detection=turn_detection, transcription=AudioTranscription(model="antiphon"))
    session = RealtimeSessionCreateRequest(type="realtime", audio=RealtimeAudioConfig(input=heard))
    await connection.send(SessionUpdateEvent(type="session.update", session=session))
    while not isinstance(await connection.receive(), SessionUpdatedEvent):
        pass


def stages_of(timelines_ms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each stage, of the turns that reached it."""
    names = dict.fromkeys(name for timeline in timelines_ms for name in timeline)
    return {name: median(timeline[name] for timeline in timelines_ms if name in timeline) for name in names}


def turn_of(spoken: Recording, answered: Answered) -> Turn:
    """The figures of one turn, with times counted from the last sample of speech."""
    first, timeline = answered.first_sound_s, answered.timeline_ms
    packet, decided = timeline.get("first_packet"), timeline.get("turn_decided")
    voice_to_voice_ms = None if first is None else (first - spoken.speech_end_s) * 1000
    return Turn(
        name=spoken.name,
        voice_to_voice_ms=voice_to_voice_ms,
        above_pipeline_ms=None if voice_to_voice_ms is None or packet is None else voice_to_voice_ms - packet,
        decided_to_packet_ms=None if packet is None or decided is None else packet - decided,
        early=answered.early,
        pauses=len(spoken.pauses),
        longest_gap_ms=None if answered.gaps_s is None else max(answered.gaps_s, default=0.0) * 1000,
        timeline_ms=timeline,
        asked=spoken.text,
        heard=answered.heard,
        said=answered.said,
    )
