"""What all stages share: arguments of their trainers, stopping and resuming, merging what adapters have learned."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.gathering import gathered
from training.processes import writes


class OutOfTime(Exception):
    """A stage had to stop before its end. What it has learned is kept, and the same stage goes on from there."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a stage keeps its checkpoints, of which only the newest stays, and how long it may go on."""

    folder: Path
    seed: int
    may_go_on: Callable[[], bool] = lambda: True
    """Asked after every step."""

    def common(self) -> dict[str, Any]:
        """Arguments of every trainer."""
        return {
            "output_dir": str(self.folder),
            "seed": self.seed,
            "save_total_limit": 1,
            "dataloader_pin_memory": torch.cuda.is_available(),
            "report_to": [],
            "disable_tqdm": True,
        }

    def run(self, trainer: Trainer) -> None:
        """Train from the newest checkpoint, or from the start where there is none. Raises `OutOfTime`."""
        stopping = _Stopping(self.may_go_on)
        trainer.add_callback(stopping)
        trainer.train(resume_from_checkpoint=any(self.folder.glob("checkpoint-*")) or None)
        if writes():
            (self.folder / "curve.json").write_text(json.dumps(trainer.state.log_history), encoding="utf-8")
        if stopping.stopped:
            raise OutOfTime


class _Stopping(TrainerCallback):
    """Stops training when its time is over, and has it saved."""

    def __init__(self, may_go_on: Callable[[], bool]) -> None:
        self._may_go_on = may_go_on
        self.stopped = False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if state.global_step < state.max_steps and not self._may_go_on():
            self.stopped = control.should_save = control.should_training_stop = True


def on_gpu() -> dict[str, Any]:
    """Arguments of the trainers of the decoder: bfloat16 where there is a GPU."""
    return {"bf16": torch.cuda.is_available()}


def merged(trainer: Trainer, empty: PreTrainedModel) -> PreTrainedModel:
    """The trained model in float32 and whole, its adapters, if it has some, merged into it.

    `empty`: the decoder before its training, `emptied`. All processes call it.
    """
    if not isinstance(trainer.model, PeftModel):
        return nn.Module.float(gathered(trainer, empty))
    trained = gathered(trainer, get_peft_model(empty, trainer.model.peft_config["default"]))
    model = trained.float().merge_and_unload()
    assert isinstance(model, PreTrainedModel)
    return model
