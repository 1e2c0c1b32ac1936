"""The recipe on next to nothing, for `accelerate launch`: each process prints what it reports."""

import sys
from pathlib import Path

from tests.training.stages.tiny_model import begin
from tests.training.voices import RecordedSpeaker
from training.recipe import TINY, Beginner, Recipe
from training.stages.supervised import Pace


def tell(line: str) -> None:
    """In one piece, whatever the other process prints."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    """Stop after the first step of the first stage, as if the time were over, and go on."""
    for answers in (iter((True, False)), iter(())):
        recipe = Recipe(
            folder,
            RecordedSpeaker(),
            Beginner(begin, Pace(1)),
            TINY,
            may_go_on=lambda answers=answers: next(answers, True),  # type: ignore[misc]
            report=lambda stage, figures: tell(stage),
        )
        tell(f"last {recipe.run()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
