"""Endpointing by text: whether the decoder distinguishes finished from unfinished texts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, Field
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Line

from audio.pcm import INPUT_RATE
from bench.report import BAD, GOOD, LINE, in_a_line, number, percentile
from pipeline.commands import SemanticVad
from pipeline.decoders.decoder import Context, Decoder, DecoderError, Open, Text
from pipeline.listening.completeness import Evidence, probability_of_end
from pipeline.listening.endpointing import open_words, patience
from pipeline.settings import PipelineSettings, TurnSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXTS = Path(__file__).with_name("texts.json")

_TAIL_WORDS = 2
"""Words that the decoder has not prefilled yet when a pause begins."""
_LEAST = 1e-4
"""Lower probabilities are drawn as this."""
_WORST = 5
"""Texts of each kind that the table shows."""


class Texts(BaseModel):
    """Utterances as a recognizer writes them."""

    finished: list[str] = Field(min_length=1)
    broken_off: list[str] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Question:
    """One text, and the decoder's verdict on its end."""

    text: str
    probability: float
    """Probability that the turn is over, by the words alone."""
    wait_s: float
    """Silence after which the turn would end."""
    ms: float
    """Time in which the decoder prefilled the last words and answered."""
    cold_ms: float
    """The same without earlier prefill."""


@dataclass(frozen=True, slots=True)
class Report:
    """The decoder's verdicts on all texts."""

    model: str
    complete_probability: float
    """Probability from which a text counts as finished."""
    incomplete_probability: float
    """Probability below which a text counts as unfinished."""
    finished: list[Question]
    broken_off: list[Question]

    def summary(self) -> dict[str, float | None]:
        questions = (*self.finished, *self.broken_off)
        ms = [question.ms for question in questions]
        return {
            "finished_found_percent": self._complete(self.finished),
            "broken_off_found_percent": self._incomplete(self.broken_off),
            "finished_taken_for_broken_off_percent": self._incomplete(self.finished),
            "broken_off_taken_for_finished_percent": self._complete(self.broken_off),
            "ms_p50": percentile(ms, 50),
            "ms_p90": percentile(ms, 90),
            "cold_ms_p50": percentile([question.cold_ms for question in questions], 50),
        }

    def as_data(self) -> dict[str, object]:
        return {**asdict(self), "summary": self.summary()}

    def as_table(self) -> RenderableType:
        high, low = self.complete_probability, self.incomplete_probability
        table = Table("texts", "", f"from {high:g}, %", f"below {low:g}, %", "median wait s", box=None, pad_edge=False)
        for name, questions in (("finished", self.finished), ("broken off", self.broken_off)):
            shares = (number(share(questions), 1) for share in (self._complete, self._incomplete))
            table.add_row(name, str(len(questions)), *shares, number(median(q.wait_s for q in questions), 2))
        slowest = sorted(self.finished, key=lambda question: question.probability)[:_WORST]
        hastiest = sorted(self.broken_off, key=lambda question: -question.probability)[:_WORST]
        return Group(
            table, in_a_line(self.summary()), *(Line(f"{q.probability:.4f}  {q.text}") for q in (*slowest, *hastiest))
        )

    def draw(self, figure: "Figure") -> None:
        figure.set_size_inches(8, 3.6)
        bins = np.geomspace(_LEAST, 1, 33)
        upper, lower = figure.subplots(2, sharex=True, sharey=True)
        for axes, name, questions, colour in (
            (upper, "finished", self.finished, GOOD),
            (lower, "broken off", self.broken_off, BAD),
        ):
            axes.hist([max(q.probability, _LEAST) for q in questions], bins=list(bins), color=colour)
            axes.axvline(self.complete_probability, color=LINE, linewidth=1)
            axes.axvline(self.incomplete_probability, color=LINE, linewidth=1, linestyle="--")
            axes.set_xscale("log")
            axes.set_ylabel(f"{name}, texts")
        lower.set_xlabel(
            "probability that the turn ends here (complete from the solid line on, incomplete below the dashed one)"
        )
        upper.set_title(f"{self.model}: finished and unfinished texts")

    def _complete(self, questions: Sequence[Question]) -> float:
        return 100 * float(np.mean([question.probability >= self.complete_probability for question in questions]))

    def _incomplete(self, questions: Sequence[Question]) -> float:
        return 100 * float(np.mean([question.probability < self.incomplete_probability for question in questions]))


async def measure(
    decoder: Decoder, settings: PipelineSettings, texts: Texts, progress: Callable[[str], None] = lambda line: None
) -> Report:
    """Ask `decoder` about each text as a conversation does: prefill all but the last words, then ask."""
    context = decoder.open(settings.agent.instructions)
    try:
        questions: list[list[Question]] = []
        for kind in (texts.finished, texts.broken_off):
            questions.append([])
            for text in kind:
                progress(text)
                questions[-1].append(await _ask(context, text, settings.turn))
    finally:
        await context.close()
    finished, broken_off = questions
    low, high = settings.turn.incomplete_probability, settings.turn.complete_probability
    return Report(settings.decoder.model, high, low, finished, broken_off)


async def _ask(context: Context, text: str, settings: TurnSettings) -> Question:
    words = open_words(text)
    _, cold_ms = await _probability(context, words)
    await _probability(context, " ".join(words.split()[:-_TAIL_WORDS]))
    probability, ms = await _probability(context, words)
    evidence = Evidence(text, "", probability)
    wait = patience(settings, SemanticVad(), evidence)
    return Question(text, probability_of_end(evidence) or 0.0, wait / INPUT_RATE, ms, cold_ms)


async def _probability(context: Context, words: str) -> tuple[float, float]:
    """Probability that the user is done after `words`, and the milliseconds until it was known."""
    start = context.mark()
    await context.append([Open("user"), Text(words)])
    began = time.perf_counter()
    probability = await context.end_of_turn_probability()
    ms = (time.perf_counter() - began) * 1e3
    context.rewind(start)
    if probability is None:
        raise DecoderError("this decoder can't tell how likely a sentence is over; measure one that runs in llama.cpp")
    return probability, ms
