"""How many questions a model answers right, by kind, and in which form."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from training.data.acoustic import Question
from training.model.prompts import Prompts
from training.reasoning.answers import WrittenAnswer
from training.reasoning.filters import is_grounded
from training.reasoning.rewards import Verdict, judge
from training.rollouts.writer import Writer, likeliest

_Z = 1.96


def judged(question: Question, text: str, for_reasoning: bool = True) -> Verdict:
    """What the answer `text` to `question` earns."""
    return judge(text, question.answer, question.choices, question.modality, for_reasoning)


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and what was answered."""

    question: Question
    text: str
    verdict: Verdict

    @property
    def thought(self) -> str:
        """The reasoning in front of the answer."""
        return WrittenAnswer.read(self.text).thought

    def as_data(self) -> dict[str, object]:
        """For a file that people and programs read."""
        asked = self.question
        return {
            "kind": asked.kind,
            "modality": asked.modality,
            "asked": asked.asked or asked.transcript,
            "answer": asked.answer,
            "text": self.text,
            "right": self.verdict.right,
        }


@dataclass(slots=True)
class Score:
    """Results on one set of questions."""

    answers: list[Answered] = field(default_factory=list)

    def add(self, question: Question, text: str) -> None:
        self.answers.append(Answered(question, text, judged(question, text)))

    def summary(self) -> dict[str, object]:
        """Shares from 0 to 1, and the mean length of thoughts in words."""
        acoustic = [one for one in self.answers if one.question.modality == "audio"]
        kinds = sorted({one.question.kind for one in self.answers})
        return {
            "questions": len(self.answers),
            "chance": _share([one.question.chance for one in self.answers]),
            "right": _right(self.answers),
            "right_between": _between(self.answers),
            "acoustic_chance": _share([one.question.chance for one in acoustic]),
            "acoustic_right": _right(acoustic),
            "acoustic_between": _between(acoustic),
            "reasons": _share([one.verdict.reasons for one in self.answers]),
            "grounded": _share([is_grounded(one.thought) for one in self.answers]),
            "thought_words": _share([len(one.thought.split()) for one in self.answers]),
            "by_kind": {kind: _right([one for one in self.answers if one.question.kind == kind]) for kind in kinds},
        }


def evaluate(writer: Writer, prompts: Prompts, questions: Sequence[Question], read: Sequence[Sequence[int]]) -> Score:
    """Ask every question once, at temperature 0. `read`: the prompt of each. Several processes share them."""
    score = Score()
    for question, ids in zip(questions, likeliest(writer, read), strict=True):
        score.add(question, prompts.text(ids))
    return score


def interval(right: Sequence[bool]) -> tuple[float, float]:
    """Wilson's interval, which the true share is in with 95 % confidence. For no answers, from 0 to 1."""
    if not right:
        return 0.0, 1.0
    share, pull = sum(right) / len(right), _Z**2 / len(right)
    middle = (share + pull / 2) / (1 + pull)
    reach = _Z / (1 + pull) * math.sqrt(share * (1 - share) / len(right) + pull / (4 * len(right)))
    return round(middle - reach, 3), round(middle + reach, 3)


def _right(answers: Sequence[Answered]) -> float:
    return _share([one.verdict.right for one in answers])


def _between(answers: Sequence[Answered]) -> tuple[float, float]:
    return interval([one.verdict.right for one in answers])


def _share(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3) if values else 0.0
