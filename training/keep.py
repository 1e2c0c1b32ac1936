"""Writes a trained model once more, at half the size: `python -m training.keep runs/0/4-self-knowledge FOLDER`."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from training.model.checkpoint import read_checkpoint, write_checkpoint


def main(
    checkpoint: Annotated[Path, typer.Argument(help="Folder that the recipe wrote.")],
    folder: Annotated[Path, typer.Argument(help="Where it is to be kept.")],
) -> None:
    """Keep a model in bfloat16, as models of full size are published."""
    write_checkpoint(*read_checkpoint(checkpoint), folder, torch.bfloat16)


if __name__ == "__main__":
    typer.run(main)
