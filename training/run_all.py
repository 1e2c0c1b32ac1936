"""The whole recipe in one command: `python -m training.run_all runs/first --budget 180`."""

import json
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from pipeline.weights.store import ModelStore
from training.data.spoken import KeptSpeaker
from training.model.build import build
from training.recipe import TINY, Recipe, Sizes
from tts.engines.kokoro import KokoroSynthesizer

console = Console()


def main(
    folder: Annotated[
        Path, typer.Argument(help="Where checkpoints and figures are kept. Run again, it goes on there.")
    ],
    seed: Annotated[int, typer.Option(help="Of the data and of the training.")] = 0,
    budget: Annotated[float, typer.Option(help="Minutes after which no further stage is begun.")] = 180,
    layers: Annotated[
        int, typer.Option(min=1, max=30, help="How many of the text model's 30 layers are kept. Fewer cost less.")
    ] = 6,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads. More pay off on idle cores only.")] = 1,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Every stage once on next to no data, to see that all runs.")
    ] = False,
) -> None:
    """Train the small model that hears, from its first sound to verified rewards, and print its figures."""
    torch.set_num_threads(threads)
    end = time.monotonic() + 60 * budget
    recipe = Recipe(
        folder,
        KeptSpeaker(kokoro(), folder / "spoken"),
        partial(build, ModelStore().resolve("smollm2-135m-instruct"), layers),
        TINY if tiny else Sizes(),
        seed,
        _print,
    )
    last = recipe.run(lambda: time.monotonic() < end)
    if last is None:
        console.print(f"The budget is spent. The same command goes on where it stopped, in {folder}.")
    else:
        console.print(f"Talk to it: antiphon serve --decoder {last}")


def kokoro() -> KokoroSynthesizer:
    """The voices of the data, downloaded if need be."""
    store = ModelStore()
    known, folder = store.models["kokoro-voices"], store.resolve("kokoro-voices")
    voices = [folder / file.name for file in known.files if file.name.endswith(".bin")]
    return KokoroSynthesizer(store.resolve("kokoro-82m"), voices, gains_db=known.gains_db, threads=1)


def _print(stage: str, figures: Mapping[str, object]) -> None:
    console.print(f"[bold]{stage}[/bold] {json.dumps(figures)}")


if __name__ == "__main__":
    typer.run(main)
