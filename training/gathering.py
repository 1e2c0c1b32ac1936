"""Weights that FSDP or DeepSpeed has spread over processes, whole again."""

import torch
from torch.distributed.tensor import DTensor
from transformers import Trainer
from trl.distributed import DistributedBackend


def learned(trainer: Trainer) -> dict[str, torch.Tensor]:
    """The weights that learn, by their names in the model, whole and in every process. All processes call it."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    with DistributedBackend(trainer.accelerator).gather_params(list(learning.values())):
        return {
            name.replace("_checkpoint_wrapped_module.", ""): _whole(weight.detach()).clone()
            for name, weight in learning.items()
        }


def _whole(weight: torch.Tensor) -> torch.Tensor:
    return weight.full_tensor() if isinstance(weight, DTensor) else weight
