"""Weights in safetensors files, put into a module whose parameters bear other names. What does not fit is refused."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from pipeline.errors import PlainError

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_SHOWN = 5
"""Mismatches that an error names; one wrong number in a config makes hundreds."""

Shape = tuple[int, ...]


class CheckpointError(PlainError):
    """The weights are not those of the model; the message names the first that do not fit."""


def load_weights(
    folder: Path, module: nn.Module, names: Mapping[str, str], device: torch.device, dtype: torch.dtype
) -> None:
    """Give `module`, which may be on the meta device, the weights that `folder` has for it.

    `names`: what each of its parameters is called in the files. They are read one by one and straight onto `device`:
    never is a model in memory twice. Raises `CheckpointError`, and has loaded nothing then.
    """
    files = _files(folder)
    found = {name: shape for file in files for name, shape in _shapes(file).items()}
    wanted = {names[own]: tuple(parameter.shape) for own, parameter in module.named_parameters()}
    if wrong := _mismatches(wanted, found):
        more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise CheckpointError(f"the weights in {folder} do not fit: {'; '.join(wrong[:_SHOWN])}{more}")
    own_names = {published: own for own, published in names.items()}
    for file in files:
        with safe_open(file, framework="pt", device=str(device)) as tensors:
            state = {own_names[name]: tensors.get_tensor(name).to(dtype) for name in tensors.keys()}  # noqa: SIM118
        module.load_state_dict(state, strict=False, assign=True)
    module.requires_grad_(False)


def _files(folder: Path) -> list[Path]:
    """All files of the checkpoint, as its index names them."""
    index = folder / _INDEX
    if not index.exists():
        if not (folder / _SINGLE).exists():
            raise CheckpointError(f"{folder} has no weights: neither {_INDEX} nor {_SINGLE}")
        return [folder / _SINGLE]
    try:
        places: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = [folder / name for name in sorted(set(places.values()))]
    except (ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{index} is no index of weights: {error!r}") from error
    if missing := [file.name for file in files if not file.exists()]:
        raise CheckpointError(f"{folder} lacks {', '.join(missing[:_SHOWN])}: download it again")
    return files


def _shapes(file: Path) -> dict[str, Shape]:
    try:
        with safe_open(file, framework="pt") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{file} can't be read: {error}") from error


def _mismatches(wanted: Mapping[str, Shape], found: Mapping[str, Shape]) -> list[str]:
    missing = [f"{name} is missing" for name in wanted if name not in found]
    unknown = [f"{name} is unknown" for name in found if name not in wanted]
    others = [
        f"{name} is {list(found[name])} and should be {list(shape)}"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    return others + missing + unknown
