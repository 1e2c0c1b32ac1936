"""The whole recipe in one command: `python -m training.run_all runs/first --budget 180`."""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from transformers import PreTrainedTokenizerFast

from pipeline.decoders.torch_models.step_audio import StepAudioModules
from pipeline.weights.store import ModelStore
from training.budget import Budget
from training.data.acoustic import Question
from training.data.spoken import KeptSpeaker, kokoro
from training.model.build import build
from training.model.small import build_small
from training.processes import writes
from training.recipe import ABLATIONS, TINY, Beginner, Recipe, Sizes
from training.rollouts.vllm_server import VllmError, VllmServer
from training.stages.supervised import Pace

console = Console()


class Decoder(StrEnum):
    """What learns to write."""

    SMALL = "small"
    SMOLLM2 = "smollm2"


SIZES = {
    Decoder.SMALL: Sizes(),
    Decoder.SMOLLM2: Sizes(420, 16, 350, 10, 88, 1, 88, 24, 1, 8, 6, 30, 81),
}
"""What fits into an hour or two of one core."""


def main(
    folder: Annotated[
        Path, typer.Argument(help="Where checkpoints and figures are kept. Run again, it goes on there.")
    ],
    seed: Annotated[int, typer.Option(help="Of the data and of the training.")] = 0,
    budget: Annotated[float, typer.Option(help="Minutes that all calls for this folder together may take.")] = 180,
    decoder: Annotated[
        Decoder, typer.Option(help="What learns: a small decoder that begins from nothing, or SmolLM2-135M.")
    ] = Decoder.SMALL,
    layers: Annotated[
        int, typer.Option(min=1, max=30, help="How many of SmolLM2's 30 layers are kept. Fewer cost less.")
    ] = 6,
    spoken: Annotated[
        Path | None, typer.Option(help="Where spoken sentences are kept. By default next to the run, for all seeds.")
    ] = None,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="After the recipe, what it is without its parts.")
    ] = False,
    validate: Annotated[
        bool, typer.Option("--validate", help="Ask the voices of the validation and not those of the test.")
    ] = False,
    vllm: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A vLLM server that writes answers, on a machine that sees FOLDER. See docs."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads. More pay off on idle cores only.")] = 1,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Every stage once on next to no data, to see that all runs.")
    ] = False,
) -> None:
    """Train the small model that hears, from its first sound to verified rewards, and print its figures."""
    torch.set_num_threads(threads)
    counted = Budget(folder / "time.json", 60 * budget)
    with VllmServer(vllm, folder / "vllm") if vllm else nullcontext() as server:
        recipe = Recipe(
            folder,
            KeptSpeaker(kokoro(), spoken or folder.parent / "spoken"),
            _small(seed) if decoder is Decoder.SMALL else _smollm2(layers),
            TINY if tiny else SIZES[decoder],
            seed,
            "validation" if validate else "test",
            lambda: writes() and counted.lasts(),
            _print,
            server,
        )
        try:
            last = recipe.run()
            done = last is not None and all(recipe.ablate(name) for name in (ABLATIONS if ablations else ()))
        except VllmError as error:
            raise SystemExit(str(error)) from error
    if not writes():
        return
    if done:
        console.print(f"Done in {counted.spent / 60:.0f} minutes. Talk to it: antiphon serve --decoder {last}")
    else:
        console.print(f"The {budget:g} minutes are spent. With a larger --budget, the command goes on in {folder}.")


def _small(seed: int) -> Beginner:
    return Beginner(lambda questions: build_small(questions, seed), Pace(1, 2e-3, 16, 1, whole=True))


def _smollm2(layers: int) -> Beginner:
    def begin(_: Sequence[Question]) -> tuple[StepAudioModules, PreTrainedTokenizerFast]:
        return build(ModelStore().resolve("smollm2-135m-instruct"), layers)

    return Beginner(begin, Pace(1), torch.bfloat16)


def _print(stage: str, figures: Mapping[str, object]) -> None:
    console.print(f"[bold]{stage}[/bold] {json.dumps(figures)}")


if __name__ == "__main__":
    typer.run(main)
