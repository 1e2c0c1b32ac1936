"""Teaches the small encoder to hear: it classifies recordings, and its classifiers are then dropped.

A model of full size begins with an encoder that hears already, and skips this stage.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import PartialState
from torch import nn
from torch.nn import functional
from transformers import Qwen2AudioEncoder, Trainer, TrainingArguments

from pipeline.decoders.torch_models.step_audio import StepAudioModules
from pipeline.encoders.embedding.qwen_audio import attended
from training.data.acoustic import KINDS, Question
from training.gathering import emptied, gathered
from training.model.sound_table import Hearing
from training.stages.running import Stage

_RATE = 1e-3


class Listener(nn.Module):
    """The encoder, and for each kind of question a linear layer on the mean and the maximum of its output."""

    def __init__(self, tower: Qwen2AudioEncoder) -> None:
        super().__init__()
        self.tower = tower
        width = 2 * tower.config.d_model
        self.heads = nn.ModuleDict({name: nn.Linear(width, len(kind.choices)) for name, kind in KINDS.items()})

    def forward(self, features: list[torch.Tensor], kinds: list[str], labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Mean loss and the share of right answers of a batch of recordings of any length."""
        logits = [self._classified(one, kind) for one, kind in zip(features, kinds, strict=True)]
        losses = [functional.cross_entropy(one, label) for one, label in zip(logits, labels, strict=True)]
        right = torch.stack([one.argmax() == label for one, label in zip(logits, labels, strict=True)])
        loss = torch.stack(losses).mean()
        if PartialState().num_processes > 1:  # each adds up the gradients of all classifiers, which others may need
            loss = loss + 0 * sum(weight.sum() for weight in self.heads.parameters())
        return {"loss": loss, "right": right}

    def _classified(self, features: torch.Tensor, kind: str) -> torch.Tensor:
        vectors = attended(self.tower, features, (features.shape[1] - 1) // 2 + 1)
        logits: torch.Tensor = self.heads[kind](torch.cat((vectors.mean(0), vectors.max(0).values)))
        return logits


def train(
    modules: StepAudioModules, questions: Sequence[Question], stage: Stage, *, epochs: float, batch: int = 16
) -> Listener:
    """Train the tower of `modules`. Raises `OutOfTime`."""
    hearing, listener = Hearing(modules), Listener(modules.tower)
    empty = emptied(listener)
    examples = [_example(hearing, question) for question in questions if question.pcm is not None]
    arguments = TrainingArguments(
        **stage.common(),
        num_train_epochs=epochs,
        per_device_train_batch_size=batch,
        learning_rate=_RATE,
        warmup_steps=20,
        lr_scheduler_type="cosine",
        logging_steps=10,
        save_steps=100,
        remove_unused_columns=False,
    )
    trainer = Trainer(listener, arguments, train_dataset=examples, data_collator=_collated)
    stage.run(trainer)
    trained = gathered(trainer, empty)
    modules.tower = trained.tower
    return trained


@torch.inference_mode()
def accuracy(listener: Listener, hearing: Hearing, questions: Sequence[Question]) -> dict[str, float]:
    """Share of recordings of each kind that the classifiers get right."""
    listener.eval()
    right: dict[str, list[bool]] = defaultdict(list)
    for question in questions:
        if question.pcm is not None:
            right[question.kind].append(bool(listener(**_collated([_example(hearing, question)]))["right"]))
    return {kind: sum(found) / len(found) for kind, found in right.items()}


def _example(hearing: Hearing, question: Question) -> dict[str, Any]:
    assert question.pcm is not None
    label = question.choices.index(question.answer)
    return {"features": hearing.features(question.pcm), "kind": question.kind, "label": label}


def _collated(examples: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "features": [example["features"] for example in examples],
        "kinds": [example["kind"] for example in examples],
        "labels": torch.tensor([example["label"] for example in examples]),
    }
