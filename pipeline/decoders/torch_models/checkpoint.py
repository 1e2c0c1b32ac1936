"""Loads weights from files, into a model of transformers or into a module with other parameter names.

A checkpoint that does not fit is refused.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from audio.errors import PlainError

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_SHOWN = 5
"""Mismatches that an error message lists; one wrong number in a config causes hundreds."""
_FLOATS = ("F64", "F32", "F16", "BF16")
"""Types that weights may have. Quantized ones could be cast as well, but mean nothing without their scales."""

Shape = tuple[int, ...]


class CheckpointError(PlainError):
    """The weights do not fit the model; the message lists the first mismatches."""


def load_pretrained(
    kind: type[PreTrainedModel | AutoModelForCausalLM], folder: Path, dtype: torch.dtype
) -> PreTrainedModel:
    """A model of the transformers class `kind`, from a folder that `save_pretrained` wrote.

    Raises `CheckpointError` where transformers would initialize missing weights at random. Weights of other parts, such
    as a talker, are ignored.
    """
    loaded: tuple[PreTrainedModel, Mapping[str, Any]] = kind.from_pretrained(  # type: ignore[assignment]
        folder, dtype=dtype, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True
    )
    model, report = loaded
    others = [_other_shape(name, found, wanted) for name, found, wanted in sorted(report["mismatched_keys"])]
    _check(folder, others + [f"{name} is missing" for name in sorted(report["missing_keys"])])
    return model


def load_weights(
    folder: Path, module: nn.Module, names: Mapping[str, str], device: torch.device, dtype: torch.dtype
) -> None:
    """Give `module`, which may be on the meta device, the weights that `folder` has for it.

    `names`: the name in the files of each of its parameters. Weights are read one by one and straight onto `device`, so
    that the model is never in memory twice. Raises `CheckpointError` before anything is loaded.
    """
    files = _files(folder)
    found: dict[str, Shape] = {}
    for file in files:
        shapes = _shapes(file)
        if twice := found.keys() & shapes.keys():
            raise CheckpointError(f"{file} has {min(twice)}, as another file has: download {folder} again")
        found |= shapes
    wanted = {names[own]: tuple(parameter.shape) for own, parameter in module.named_parameters()}
    _check(folder, _mismatches(wanted, found))
    own_names = {published: own for own, published in names.items()}
    for file in files:
        with safe_open(file, framework="pt", device=str(device)) as tensors:
            state = {own_names[name]: tensors.get_tensor(name).to(dtype) for name in tensors.keys()}  # noqa: SIM118
        module.load_state_dict(state, strict=False, assign=True)
    module.requires_grad_(False)


def _files(folder: Path) -> list[Path]:
    """The files of the checkpoint that its index names."""
    index = folder / _INDEX
    if not index.exists():
        if not (folder / _SINGLE).exists():
            raise CheckpointError(f"{folder} has no weights: neither {_INDEX} nor {_SINGLE}")
        return [folder / _SINGLE]
    try:
        places: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = [folder / name for name in sorted(set(places.values()))]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{index} is no index of weights: {error!r}") from error
    if missing := [file.name for file in files if not file.exists()]:
        raise CheckpointError(f"{folder} lacks {', '.join(missing[:_SHOWN])}: download it again")
    return files


def _shapes(file: Path) -> dict[str, Shape]:
    try:
        with safe_open(file, framework="pt") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            for name, part in slices.items():
                if (dtype := part.get_dtype()) not in _FLOATS:
                    raise CheckpointError(f"{name} in {file} is {dtype}; weights may be {', '.join(_FLOATS)}")
            return {name: tuple(part.get_shape()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file} can't be read: {error}") from error


def _check(folder: Path, wrong: Sequence[str]) -> None:
    if wrong:
        more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise CheckpointError(f"the weights in {folder} do not fit: {'; '.join(wrong[:_SHOWN])}{more}")


def _mismatches(wanted: Mapping[str, Shape], found: Mapping[str, Shape]) -> list[str]:
    missing = [f"{name} is missing" for name in wanted if name not in found]
    unknown = [f"{name} is unknown" for name in found if name not in wanted]
    others = [
        _other_shape(name, found[name], shape)
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    return others + missing + unknown


def _other_shape(name: str, found: Shape, wanted: Shape) -> str:
    return f"{name} is {list(found)} and should be {list(wanted)}"
