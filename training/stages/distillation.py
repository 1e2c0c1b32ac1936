"""Modality-grounded reasoning distillation: the model learns from its own traces that rest on the sound.

Source: Step-Audio-R1 (https://arxiv.org/abs/2511.15848).
"""

from collections.abc import Sequence

from training.data.acoustic import Question
from training.model.prompts import Prompts
from training.reasoning.answers import WrittenAnswer
from training.reasoning.filters import keeps
from training.rollouts.writer import Writer, sampled
from training.stages.supervised import Example

SAMPLES = 4
"""Traces sampled for each question."""


def grounded_examples(
    writer: Writer,
    prompts: Prompts,
    questions: Sequence[Question],
    sounds: Sequence[Sequence[int] | None],
) -> list[Example]:
    """Sample traces for every question, and keep those that pass the three filters, each once."""
    read = prompts.all(questions, sounds)
    kept: dict[tuple[tuple[int, ...], str], Example] = {}
    for question, ids, group in zip(questions, read, sampled(writer, read, SAMPLES), strict=True):
        for text in (prompts.text(made) for made in group if made[-1:] == [prompts.end]):
            if keeps(text, question.answer, question.choices):
                kept.setdefault((tuple(ids), text), Example(ids, prompts.reply(WrittenAnswer.read(text))))
    return list(kept.values())
