"""How many questions a model answers right, by kind, and in which form."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from transformers import PreTrainedModel

from training.data.acoustic import Question
from training.model.prompts import Prompts
from training.model.sampling import write_answers
from training.reasoning.answers import WrittenAnswer
from training.reasoning.filters import is_grounded
from training.reasoning.rewards import Verdict, judge

_Z = 1.96


def judged(question: Question, text: str) -> Verdict:
    """What the answer `text` to `question` earns."""
    return judge(text, question.answer, question.choices, question.modality)


@dataclass(slots=True)
class Score:
    """Results on one set of questions."""

    right: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    """By kind of question."""
    chances: list[float] = field(default_factory=list)
    reasons: list[bool] = field(default_factory=list)
    grounded: list[bool] = field(default_factory=list)
    thought_words: list[int] = field(default_factory=list)

    def add(self, question: Question, text: str) -> None:
        verdict = judged(question, text)
        written = WrittenAnswer.read(text)
        self.right[question.kind].append(verdict.right)
        self.chances.append(question.chance)
        self.reasons.append(verdict.reasons)
        self.grounded.append(is_grounded(written.thought))
        self.thought_words.append(len(written.thought.split()))

    def summary(self) -> dict[str, object]:
        """Shares from 0 to 1, and the mean length of thoughts in words."""
        every = [right for kind in self.right.values() for right in kind]
        return {
            "questions": len(every),
            "right": _share(every),
            "chance": _share(self.chances),
            "reasons": _share(self.reasons),
            "grounded": _share(self.grounded),
            "thought_words": _share(self.thought_words),
            "right_between": interval(every),
            "by_kind": {kind: _share(right) for kind, right in sorted(self.right.items())},
        }


def evaluate(
    model: PreTrainedModel, prompts: Prompts, questions: Sequence[Question], sounds: Sequence[Sequence[int] | None]
) -> Score:
    """Ask every question once, at temperature 0. `sounds`: ids of each recording; None: the transcript is read."""
    score = Score()
    written = write_answers(model, prompts, prompts.all(questions, sounds), temperature=0)
    for question, ids in zip(questions, written, strict=True):
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


def _share(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3) if values else 0.0
