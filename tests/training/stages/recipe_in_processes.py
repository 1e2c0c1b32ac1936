"""The recipe on next to nothing, for several processes: each writes down what it reports and what it has learned."""

import os
import sys
from pathlib import Path

from accelerate import PartialState
from safetensors.torch import save_file

from tests.training.stages.claimed_gpus import claim_gpus
from tests.training.stages.tiny_model import begin
from tests.training.voices import RecordedSpeaker
from training.data import acoustic
from training.model.trainee import Trainee
from training.recipe import TINY, Beginner, Recipe
from training.stages import supervised
from training.stages.running import Stage
from training.stages.supervised import Example, Pace


def main(folder: Path) -> None:
    """Run the recipe, and then train the model of its cold start: its adapters, and all of its weights."""
    if os.environ.keys() & {"ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"}:
        claim_gpus()
    rank = os.environ["RANK"]
    folder.with_name(f"told-{rank}").write_text("\n".join(told(folder)))
    folder.with_name(f"spread-{rank}").write_text(PartialState().distributed_type.value)
    for whole in (False, True):
        run = Trainee.read(folder / "1-cold-start")
        questions = acoustic.generate(RecordedSpeaker(), "train", 4, 0)
        examples = [Example(read, read[-20:]) for read in run.prompts.all(questions, run.hear(questions))]
        pace = Pace(4, batch=1, accumulated=1, whole=whole)
        learned = supervised.train(run.decoder, run.tokenizer, examples, Stage(folder / f"learned-{whole}", 0), pace)
        save_file(dict(learned.state_dict()), folder.with_name(f"learned-{whole}-{rank}"))


def told(folder: Path) -> list[str]:
    """What the recipe reports. It stops in the first stage, as if the time were over, and goes on."""
    reports: list[str] = []
    for answers in (iter((True, False)), iter(())):
        recipe = Recipe(
            folder,
            RecordedSpeaker(),
            Beginner(begin, Pace(1)),
            TINY,
            may_go_on=lambda answers=answers: next(answers, True),  # type: ignore[misc]
            report=lambda stage, figures: reports.append(stage),
        )
        reports.append(f"last {recipe.run()}")
    return reports


if __name__ == "__main__":
    main(Path(sys.argv[1]))
