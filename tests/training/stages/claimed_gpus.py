"""Makes processes without a GPU pass for processes that have one."""

import torch
from accelerate import DistributedType, PartialState


def claim_gpus() -> None:
    """Say that this process has a GPU, and compute on the CPU: accelerate spreads weights over GPUs only.

    Called before anything else of accelerate; all that follows is its own.
    """
    PartialState._prepare_backend = lambda self, *_: ("gloo", DistributedType.MULTI_GPU)
    PartialState.set_device = lambda self: setattr(self, "device", torch.device("cpu"))
