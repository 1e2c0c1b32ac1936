"""False cut-offs against waits: what the agent's policy and others make of the pauses of recorded turns."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product, zip_longest
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from audio.pcm import INPUT_RATE
from bench.report import BAD, GOOD, LINE, in_a_line, number, percentile
from bench.turn_ends.dataset import read_turns
from bench.turn_ends.replay import Pause, replay
from pipeline.commands import SemanticVad
from pipeline.engine import Engine
from pipeline.listening.completeness import Evidence, probability_of_end
from pipeline.listening.endpointing import LOOKS_S, patience
from pipeline.settings import PipelineSettings, TurnSettings
from pipeline.weights.store import ModelStore

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHORTEST_HOLD_S, _LONGEST_HOLD_S = 0.2, 5.0
"""Pauses within turns that count, as in eot-bench."""
_FIXED_S = [float(wait_s) for wait_s in np.arange(0.2, 2.05, 0.05)]
_DELAYS_S = [float(delay_s) for delay_s in np.arange(0.2, 1.25, 0.1)]
_TIMEOUTS_S = (0.6, 0.8, 1.0, 1.2, 1.6, 2.0, 2.5, 3.0)
_THRESHOLDS = [float(threshold) for threshold in np.linspace(0.02, 0.98, 49)]
_SHIFTS = [float(shift) for shift in np.arange(-6, 6.1, 0.5)]
"""Of the log-odds that a turn is over: the agent's policy, more or less patient."""
_WAITS_S, _CUT_PERCENTS = (0.3, 0.6), (5.0, 10.0)
"""Budgets of the published comparison."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one setting of a policy does."""

    wait_s: float
    """Mean wait at the ends of turns."""
    median_s: float
    cut_percent: float
    """Share of the pauses within turns that were taken for the end."""


@dataclass(frozen=True, slots=True)
class Report:
    """The pauses of recorded turns, and what the agent with these settings makes of them."""

    model: str
    settings: TurnSettings
    pauses: list[Pause]

    @property
    def agent(self) -> Point:
        """The policy as it is set."""
        return self._point(lambda evidence: patience(self.settings, SemanticVad(), evidence) / INPUT_RATE)

    def agents(self) -> list[Point]:
        """The same policy, more and less patient."""
        return [self._point(partial(_shifted, self.settings, shift)) for shift in _SHIFTS]

    def fixed(self) -> list[Point]:
        """Fixed silences."""
        return [self._point(partial(_fixed, wait_s)) for wait_s in _FIXED_S]

    def swept(self) -> list[Point]:
        """Every policy of eot-bench's sweep: a threshold, a delay before it counts, and a time-out."""
        scores = [[probability_of_end(look) or 0.0 for look in pause.looks] for pause in self._scored]
        return [
            self._policy(scores, threshold, delay_s, timeout_s)
            for threshold, delay_s, timeout_s in product(_THRESHOLDS, _DELAYS_S, _TIMEOUTS_S)
            if timeout_s > delay_s
        ]

    def summary(self) -> dict[str, float | None]:
        agent, swept, fixed = self.agent, self.swept(), self.fixed()
        found: dict[str, float | None] = {
            "turns": sum(pause.is_end for pause in self.pauses),
            "pauses": sum(not pause.is_end for pause in self._scored),
            "cut_percent": agent.cut_percent,
            "wait_p50_s": agent.median_s,
            "wait_mean_s": agent.wait_s,
            "wait_p90_s": percentile(self._waits(self._wait_s), 90),
        }
        for budget_s in _WAITS_S:
            for name, points in (("", swept), ("fixed_", fixed)):
                cuts = [point.cut_percent for point in points if point.wait_s <= budget_s]
                found[f"{name}cut_percent_at_{budget_s:g}_s"] = min(cuts, default=None)
        for percent in _CUT_PERCENTS:
            for name, points in (("", swept), ("fixed_", fixed)):
                waits = [point.wait_s for point in points if point.cut_percent <= percent]
                found[f"{name}wait_s_at_{percent:g}_percent"] = min(waits, default=None)
        return found

    def as_data(self) -> dict[str, object]:
        pauses = [asdict(pause) for pause in self.pauses]
        return {"model": self.model, "summary": self.summary(), "pauses": pauses}

    def as_table(self) -> RenderableType:
        table = Table("policy", "wait p50 s", "mean s", "cut off, %", box=None, pad_edge=False)
        table.add_row(
            "agent", number(self.agent.median_s, 2), number(self.agent.wait_s, 2), number(self.agent.cut_percent, 1)
        )
        for wait_s, point in zip(_FIXED_S, self.fixed(), strict=True):
            if round(wait_s * 100) in (30, 50, 80, 160):
                table.add_row(
                    f"{wait_s:.1f} s", number(point.median_s, 2), number(point.wait_s, 2), number(point.cut_percent, 1)
                )
        return Group(table, in_a_line(self.summary()))

    def draw(self, figure: "Figure") -> None:
        axes = figure.subplots()
        for points, name, colour in ((self.fixed(), "fixed silence", LINE), (self.agents(), "agent", GOOD)):
            axes.plot(
                [point.wait_s for point in points], [point.cut_percent for point in points], color=colour, label=name
            )
        axes.plot(self.agent.wait_s, self.agent.cut_percent, "o", color=BAD, label="agent, as it is set")
        axes.set_xlim(0, 2)
        axes.set_xlabel("mean wait at the end of a turn, seconds")
        axes.set_ylabel("pauses within turns that are cut off, %")
        axes.legend(frameon=False)
        axes.set_title(f"{self.model}: false cut-offs against the wait")

    @property
    def _scored(self) -> list[Pause]:
        return [pause for pause in self.pauses if pause.is_end or _SHORTEST_HOLD_S <= pause.seconds <= _LONGEST_HOLD_S]

    def _wait_s(self, evidence: Evidence) -> float:
        return patience(self.settings, SemanticVad(), evidence) / INPUT_RATE

    def _waits(self, wait_s: Callable[[Evidence], float]) -> list[float]:
        return [ends_at(pause.looks, wait_s) for pause in self.pauses if pause.is_end]

    def _point(self, wait_s: Callable[[Evidence], float]) -> Point:
        return _point(self._scored, [ends_at(pause.looks, wait_s) for pause in self._scored])

    def _policy(self, scores: Sequence[Sequence[float]], threshold: float, delay_s: float, timeout_s: float) -> Point:
        fired = [
            min(
                (max(delay_s, at) for at, score in zip(LOOKS_S, found, strict=False) if score >= threshold),
                default=timeout_s,
            )
            for found in scores
        ]
        return _point(self._scored, [min(at, timeout_s) for at in fired])


def ends_at(looks: Sequence[Evidence], wait_s: Callable[[Evidence], float]) -> float:
    """The silence, in seconds, after which a pause is taken for the end, if it lasts; each look revises the wait."""
    end = 0.0
    for look, following in zip_longest(looks, looks[1:]):
        end = max(wait_s(look), look.silence_s)
        if following is not None and end <= following.silence_s:
            break
    return end


def _fixed(wait_s: float, _: Evidence) -> float:
    return wait_s


def _shifted(settings: TurnSettings, by: float, evidence: Evidence) -> float:
    """The wait, in seconds, if the log-odds that the turn is over were higher by `by`."""
    low, high = (
        1 / (1 + np.exp(-(np.log(p / (1 - p)) - by)))
        for p in (settings.incomplete_probability, settings.complete_probability)
    )
    changed = settings.model_copy(update={"incomplete_probability": float(low), "complete_probability": float(high)})
    return patience(changed, SemanticVad(), evidence) / INPUT_RATE


def _point(pauses: Sequence[Pause], ends: Sequence[float]) -> Point:
    waits = [end for pause, end in zip(pauses, ends, strict=True) if pause.is_end]
    cut = [end < pause.seconds for pause, end in zip(pauses, ends, strict=True) if not pause.is_end]
    return Point(mean(waits), float(np.median(waits)), 100 * mean(cut) if cut else 0.0)


async def measure(
    settings: PipelineSettings,
    store: ModelStore,
    dataset: Path,
    language: str,
    count: int | None,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Replay at most `count` turns of `dataset` with the models of `settings`. Raises `PlainError`."""
    turns = read_turns(dataset, language, count)
    engine = await Engine.load(settings, store, progress)
    try:
        pauses = await replay(turns, engine, settings.agent.instructions, progress)
    finally:
        await engine.close()
    return Report(settings.decoder.model, settings.turn, pauses)
