"""Checks whether a machine can hold a model, before anything is downloaded."""

from audio.errors import PlainError
from pipeline.weights.machine import system_memory

_OVERHEAD = 1.5e9
"""Bytes for everything else: activations and the other models."""
_FILE_OVERHEAD = 1.4e9
"""Bytes for everything else where llama.cpp runs the decoder."""
_BFLOAT16, _FLOAT32 = 2, 4
_STRAIGHT = ("step-audio-r1",)
"""Models whose tensors are read one by one onto the GPU (`torch_models/checkpoint.py`); transformers reads all others
into main memory first."""


class TooLarge(PlainError):
    """The machine lacks the memory for a model; the message has the numbers."""


def check_fits(name: str, parameters: float, device: str, cached: int = 0) -> None:
    """Raises `TooLarge` if a model with so many parameters does not fit on the torch device `device`.

    `cached`: numbers in the KV caches of a conversation.
    """
    held = parameters + cached
    if not device.startswith("cuda"):
        _check(name, held * _FLOAT32 + _OVERHEAD, system_memory(), "of memory on the CPU, in float32", device)
        return
    # Takes seconds to import, which models in llama.cpp do without.
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    _check(name, held * _BFLOAT16 + _OVERHEAD, free, "of the GPU's memory, in bfloat16", device)
    if name.partition("@")[0] not in _STRAIGHT:
        _check(name, parameters * _BFLOAT16, system_memory(), "of memory on its way to the GPU", device)


def check_file_fits(name: str, size: int, cached_bytes: int) -> None:
    """Raises `TooLarge` if a GGUF file of `size` bytes, with `cached_bytes` of KV caches, does not fit in memory."""
    _check(name, size + cached_bytes + _FILE_OVERHEAD, system_memory(), "of memory", "this machine")


def _check(name: str, needed: float, there: int, what: str, device: str) -> None:
    if needed > there:
        raise TooLarge(
            f"{name} takes {needed / 1e9:,.0f} GB {what}, and {device} has {there / 1e9:,.0f} GB: choose a smaller "
            "model, another decoder.device, or a server elsewhere (the backend openai)"
        )
