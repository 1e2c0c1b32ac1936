"""Weights that FSDP or DeepSpeed has spread over processes, whole again."""

import copy
from typing import TypeVar

import torch
from accelerate import DistributedType
from peft import get_peft_model_state_dict
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.tensor import DTensor
from transformers import Trainer
from trl.distributed import DistributedBackend

Model = TypeVar("Model", bound=nn.Module)


def emptied(model: Model) -> Model:
    """A copy of `model` whose parameters have no values, for `gathered`: a spread model is not made whole in place."""
    parameters = {id(one): nn.Parameter(one.to("meta"), one.requires_grad) for one in model.parameters()}
    return copy.deepcopy(model, parameters)


def gathered(trainer: Trainer, empty: Model) -> Model:
    """The trained model in `empty`, whole in every process. All processes call it.

    If it was spread, it is on the CPU; else its parameters are those that were trained.
    """
    accelerator = trainer.accelerator
    weights = accelerator.get_state_dict(trainer.model_wrapped)
    if accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        # Only the first process has them.
        options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, cpu_offload=True)
        set_model_state_dict(empty, weights or {}, options=options)
        return empty
    empty.load_state_dict(weights, assign=True)
    return empty.to(accelerator.device)


def learned(trainer: Trainer) -> dict[str, torch.Tensor]:
    """What an adapter has learned, as PEFT names and keeps it, whole in every process. All processes call it."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    with DistributedBackend(trainer.accelerator).gather_params(list(learning.values())):
        whole = {name: _whole(weight.detach()).clone() for name, weight in learning.items()}
    kept = get_peft_model_state_dict(model, state_dict=whole)
    # Activation checkpointing wraps layers, which shows in their names.
    return {name.replace("_checkpoint_wrapped_module.", ""): weight for name, weight in kept.items()}


def _whole(weight: torch.Tensor) -> torch.Tensor:
    return weight.full_tensor() if isinstance(weight, DTensor) else weight
