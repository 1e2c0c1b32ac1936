"""Reasoning for the cold start: traces made of what is known to be in the sound."""

import numpy as np

from training.data.acoustic import Question
from training.reasoning.answers import WrittenAnswer

_CONCLUSIONS = ("So the answer is {answer}.", "That makes it {answer}.", "I conclude: {answer}.")
_ANSWERS = {
    "level": "It gets {answer}.",
    "pace": "It is spoken {answer}.",
    "pause": "The answer is {answer}.",
    "speakers": "I hear {answer}.",
    "background": "There is {answer}.",
    "order": "The {answer} comes first.",
    "pitch": "It is {answer}.",
    "pace, asked aloud": "You spoke {answer}.",
    "level, asked aloud": "You got {answer}.",
    "sum": "It is {answer}.",
    "order of names": "It is {answer}.",
}


def trace(question: Question, random: np.random.Generator) -> WrittenAnswer:
    """A thought that cites the evidence and concludes, and the answer in a sentence."""
    conclusion = str(random.choice(_CONCLUSIONS)).format(answer=question.answer)
    return WrittenAnswer(" ".join((*question.evidence, conclusion)), answered(question), closed=True)


def answered(question: Question) -> str:
    """The right answer in a sentence."""
    return sentence(question.kind, question.answer)


def sentence(kind: str, answer: str) -> str:
    """An answer to a question of this kind in a sentence."""
    return _ANSWERS[kind].format(answer=answer)
