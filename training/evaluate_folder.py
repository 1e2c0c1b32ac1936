"""Asks a trained model a published set of questions: `python -m training.evaluate_folder CHECKPOINT FOLDER`."""

import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.data import published
from training.evaluation import Score
from training.model.trainee import Trainee
from training.reasoning.answers import WrittenAnswer
from training.rollouts.transformers_writer import TransformersWriter
from training.rollouts.writer import likeliest

_AT_ONCE = 16


def main(
    checkpoint: Annotated[Path, typer.Argument(help="Folder that the recipe wrote.")],
    folder: Annotated[Path, typer.Argument(help="MMAU, MMSU, Big Bench Audio, Spoken-MQA or WildSpeech-Bench.")],
    count: Annotated[int | None, typer.Option(help="How many questions, from the first. All by default.")] = None,
    answers: Annotated[Path | None, typer.Option(help="Write every answer there, one JSON object a line.")] = None,
) -> None:
    """Print how many answers are right by rule; answers to open questions can be kept for a judge."""
    run, score, lines = Trainee.read(checkpoint), Score(), []
    writer = TransformersWriter(run.decoder, run.prompts.end)
    questions = islice(published.read(folder), count)
    while part := list(islice(questions, _AT_ONCE)):
        prompts = run.prompts.all(part, run.hear(part))
        for question, ids in zip(part, likeliest(writer, prompts), strict=True):
            text = run.prompts.text(ids)
            lines.append({"user_query": question.transcript, "response": WrittenAnswer.read(text).words})
            if question.answer:
                score.add(question, text)
    if answers is not None:
        answers.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    Console().print_json(data=score.summary())


if __name__ == "__main__":
    typer.run(main)
