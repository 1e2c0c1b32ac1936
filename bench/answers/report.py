"""Right answers by kind, first packets and lengths of one run; drawn beside earlier runs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.answers.asking import Answered
from bench.answers.tasks import Way
from bench.corpus import read_json
from bench.report import GOOD, LINE, number, percentile

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Run(BaseModel):
    """What the picture shows of a run."""

    name: str
    """The model, and how it was asked."""
    right_percent: float
    first_packet_p50_ms: float | None


class _Earlier(BaseModel):
    """The JSON of an earlier run."""

    run: Run


@dataclass(frozen=True, slots=True)
class Report:
    """The answers of one run."""

    model: str
    way: Way
    answers: list[Answered]
    earlier: Sequence[Run] = ()

    @property
    def run(self) -> Run:
        figures = _figures(self.answers)
        return Run(
            name=f"{self.model}, {self.way}",
            right_percent=100 * sum(answer.right for answer in self.answers) / len(self.answers),
            first_packet_p50_ms=figures["first_packet_p50_ms"],
        )

    def as_data(self) -> dict[str, object]:
        answers = [asdict(answer) | {"words": answer.words} for answer in self.answers]
        return {"run": self.run.model_dump(), "kinds": self.by_kind(), "answers": answers}

    def by_kind(self) -> dict[str, dict[str, float | int | None]]:
        """Figures of each kind of question, and of all under the name "all"."""
        groups: dict[str, list[Answered]] = {}
        for answer in self.answers:
            groups.setdefault(answer.kind, []).append(answer)
        return {kind: _figures(group) for kind, group in [*groups.items(), ("all", self.answers)]}

    def as_table(self) -> RenderableType:
        columns = ("kind", "right", "first packet p50", "p90", "words p50", "longest")
        table = Table(*columns, box=None, pad_edge=False)
        for kind, figures in self.by_kind().items():
            table.add_row(
                kind,
                f"{figures['right']} of {figures['questions']}",
                f"{number(figures['first_packet_p50_ms'])} ms",
                f"{number(figures['first_packet_p90_ms'])} ms",
                number(figures["words_p50"]),
                number(figures["words_max"]),
            )
        wrong = [
            Text(f"{answer.name}: {answer.question} - {' '.join((*answer.calls, answer.said, answer.failure))}", "dim")
            for answer in self.answers
            if not answer.right
        ]
        return Group(Text(self.run.name, "dim"), table, Text("wrong:", "dim") if wrong else Text(), *wrong)

    def draw(self, figure: "Figure") -> None:
        """Right answers against the median first packet, one point a run."""
        axes = figure.subplots()
        for run, colour in [*((run, LINE) for run in self.earlier), (self.run, GOOD)]:
            if run.first_packet_p50_ms is not None:
                axes.scatter(run.first_packet_p50_ms, run.right_percent, color=colour)
                place = (run.first_packet_p50_ms, run.right_percent)
                axes.annotate(run.name, place, xytext=(6, 4), textcoords="offset points")
        axes.set_xlim(0, axes.get_xlim()[1] * 1.5)  # room for the names
        axes.set_ylim(0, 105)
        axes.set_xlabel("ms to the first packet of the answer, median")
        axes.set_ylabel("right answers, %")


def earlier_run(file: Path) -> Run:
    """The run whose JSON is in `file`. Raises `BadCorpus`."""
    return read_json(file, _Earlier).run


def _figures(answers: Sequence[Answered]) -> dict[str, float | int | None]:
    packets = [answer.first_packet_ms for answer in answers if answer.first_packet_ms is not None]
    lengths = [answer.words for answer in answers]
    return {
        "questions": len(answers),
        "right": sum(answer.right for answer in answers),
        "first_packet_p50_ms": percentile(packets, 50),
        "first_packet_p90_ms": percentile(packets, 90),
        "words_p50": percentile(lengths, 50),
        "words_max": max(lengths, default=None),
    }
