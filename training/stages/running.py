"""What all stages share: arguments of their trainers, resuming, and merging what adapters have learned."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, Trainer


def common(folder: Path, seed: int) -> dict[str, Any]:
    """Arguments of every trainer. `folder`: where its checkpoints go, of which the newest is kept."""
    return {
        "output_dir": str(folder),
        "seed": seed,
        "save_total_limit": 1,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "report_to": [],
        "disable_tqdm": True,
    }


def on_gpu() -> dict[str, Any]:
    """Arguments of the trainers of the decoder: bfloat16 where there is a GPU."""
    return {"bf16": torch.cuda.is_available()}


def resume(trainer: Trainer, folder: Path) -> None:
    """Train from the newest checkpoint in `folder`, or from the start where there is none."""
    trainer.train(resume_from_checkpoint=any(folder.glob("checkpoint-*")) or None)
    (folder / "curve.json").write_text(json.dumps(trainer.state.log_history), encoding="utf-8")


def merged(trainer: Trainer) -> PreTrainedModel:
    """The trained model in float32, its adapters merged into it."""
    model = trainer.accelerator.unwrap_model(trainer.model).float().merge_and_unload()
    assert isinstance(model, PreTrainedModel)
    return model
