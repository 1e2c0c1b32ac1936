"""Verified rewards, with the weights that Step-Audio-R1 publishes (https://arxiv.org/abs/2511.15848)."""

from dataclasses import dataclass
from typing import Literal

from training.reasoning.answers import WrittenAnswer, is_right

ACCURACY = 0.8
"""Weight of a right answer to a question about sound."""
FORMAT = 0.2
"""Weight of reasoning before that answer. Without it, thoughts shorten and vanish."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer earns."""

    right: bool
    reasons: bool
    """Whether there is a thought, closed, before the words."""
    reward: float


def judge(
    text: str, answer: str, choices: tuple[str, ...], kind: Literal["audio", "text"], for_reasoning: bool = True
) -> Verdict:
    """The reward of `text`: about sound, 0.8 for a right answer and 0.2 for reasoning; about text, 1 or 0.

    `for_reasoning`: False withholds the 0.2.
    """
    written = WrittenAnswer.read(text)
    reasons = written.closed and bool(written.thought) and bool(written.words)
    right = written.closed and is_right(written.words, answer, choices)
    reward = ACCURACY * right + FORMAT * (reasons and for_reasoning) if kind == "audio" else float(right)
    return Verdict(right, reasons, reward)
