"""Whether a machine can hold a model, said before anything is fetched."""

import os
from pathlib import Path

import torch

from pipeline.errors import PlainError

_BESIDE = 1.5e9
"""Bytes for all else: what one step computes, the other models."""
_BFLOAT16, _FLOAT32 = 2, 4
_STRAIGHT = ("step-audio-r1",)
"""Models whose tensors are read one by one onto the GPU (`decoders/checkpoint.py`); transformers reads others into
memory first, whole."""


class TooLarge(PlainError):
    """The machine has not the memory that a model takes; the message has the numbers."""


def check_fits(name: str, parameters: float, place: str, cached: int = 0) -> None:
    """`place`: a torch device. `cached`: numbers in the KV caches of a conversation. Raises `TooLarge`."""
    held = parameters + cached
    if not place.startswith("cuda"):
        _check(name, held * _FLOAT32 + _BESIDE, system_memory(), "of memory on the CPU, in float32", place)
        return
    free, _ = torch.cuda.mem_get_info(place)
    _check(name, held * _BFLOAT16 + _BESIDE, free, "of the GPU's memory, in bfloat16", place)
    if name.partition("@")[0] not in _STRAIGHT:
        _check(name, parameters * _BFLOAT16, system_memory(), "of memory on its way to the GPU", place)


def system_memory() -> int:
    """Bytes that processes here can have: the machine's, or what a container is allowed."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or none with a limit
        return physical


def _check(name: str, needed: float, there: int, what: str, place: str) -> None:
    if needed > there:
        raise TooLarge(
            f"{name} takes {needed / 1e9:,.0f} GB {what}, and {place} has {there / 1e9:,.0f} GB: choose a smaller "
            "model, another decoder.device, or a server elsewhere (the backend openai)"
        )
