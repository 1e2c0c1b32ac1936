"""Voice to voice: from the last sample of a person's speech to the first of the answer, as a client hears it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

import numpy as np
from rich.console import RenderableType
from rich.table import Table

from bench.caller import Answered, Spoken, hold
from realtime.client import Connection, connect

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
            "voice_to_voice_p50_ms": _percentile(self.voice_to_voice, 50),
            "voice_to_voice_p90_ms": _percentile(self.voice_to_voice, 90),
            "decided_to_packet_p50_ms": _percentile(decided, 50),
            "answered_within_2_s": sum(ms <= _SOON_S * 1000 for ms in self.voice_to_voice),
            "pauses": sum(turn.pauses for turn in self.turns),
            "pauses_answered_early": sum(min(turn.early, turn.pauses) for turn in self.turns),
            "underruns": sum(turn.longest_gap_ms > 0 for turn in self.turns),
        }

    def stages(self) -> dict[str, float]:
        """Median milliseconds from the end of speech, as the agent detected it, to each stage of a turn."""
        names = dict.fromkeys(name for turn in self.turns for name in turn.timeline_ms)
        return {name: median(t.timeline_ms[name] for t in self.turns if name in t.timeline_ms) for name in names}

    def as_table(self) -> RenderableType:
        table = Table("turn", "voice to voice", "decided → packet", "early", "heard", box=None, pad_edge=False)
        for turn in self.turns:
            table.add_row(
                turn.name,
                _ms(turn.voice_to_voice_ms),
                _ms(turn.decided_to_packet_ms),
                str(turn.early or ""),
                turn.heard,
            )
        table.caption = "   ".join(f"{name} {_number(value)}" for name, value in self.summary().items())
        table.caption_justify = "left"
        return table


async def measure(
    url: str,
    api_key: str,
    corpus: Sequence[Spoken],
    *,
    detection: Detection = "semantic_vad",
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
                turns.append(_measured(spoken, await hold(connection, spoken)))
                tell(f"{len(turns)} turns: {spoken.name} {_ms(turns[-1].voice_to_voice_ms)}")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(conversations):
            tasks.create_task(converse())
    return Report(detection, conversations, sorted(turns, key=lambda turn: turn.name))


async def _prepare(connection: Connection, detection: Detection) -> None:
    audio = {"input": {"turn_detection": {"type": detection}, "transcription": {"model": "antiphon"}}}
    await connection.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
    while (await connection.receive())["type"] != "session.updated":
        pass


def _measured(spoken: Spoken, answered: Answered) -> Turn:
    first, timeline = answered.first_audio_s, answered.timeline_ms
    packet, decided = timeline.get("first_packet"), timeline.get("turn_decided")
    return Turn(
        name=spoken.name,
        voice_to_voice_ms=None if first is None else (first - spoken.speech_end_s) * 1000,
        decided_to_packet_ms=None if packet is None or decided is None else packet - decided,
        early=answered.early,
        pauses=len(spoken.pauses),
        longest_gap_ms=max(answered.gaps_s, default=0.0) * 1000,
        timeline_ms=timeline,
        heard=answered.heard,
        said=answered.said,
    )


def _percentile(values: Sequence[float], percent: int) -> float | None:
    return float(np.percentile(values, percent)) if values else None


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
