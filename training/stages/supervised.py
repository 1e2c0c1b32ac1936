"""Supervised training on written answers: the cold start, and each round of distillation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Trainer, TrainingArguments

from training.stages.running import common, merged, on_gpu, resume

_IGNORED = -100
"""Label of what is read and not learned."""
_PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True, slots=True)
class Example:
    """Ids of a prompt, and of the answer to learn."""

    prompt: list[int]
    reply: list[int]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long and how fast is learned."""

    epochs: float
    rate: float = 5e-4
    batch: int = 8
    accumulated: int = 2
    """Batches whose gradients are added before each step."""


def adapters(rank: int = 16) -> LoraConfig:
    """LoRA on all projections; the audio adaptor, and the layer that writes the new control tokens, learn whole."""
    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=_PROJECTIONS,
        modules_to_save=["adaptor", "lm_head"],
        task_type="CAUSAL_LM",
    )


def train(
    decoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    folder: Path,
    pace: Pace,
    seed: int,
) -> PreTrainedModel:
    """Train adapters on `examples`, merge them, and return the decoder. Checkpoints in `folder` are resumed from."""
    model = get_peft_model(decoder, adapters())
    arguments = TrainingArguments(
        **common(folder, seed),
        **on_gpu(),
        num_train_epochs=pace.epochs,
        per_device_train_batch_size=pace.batch,
        gradient_accumulation_steps=pace.accumulated,
        learning_rate=pace.rate,
        lr_scheduler_type="cosine",
        warmup_steps=10,
        logging_steps=5,
        save_steps=50,
        remove_unused_columns=False,
    )
    trainer = Trainer(model, arguments, train_dataset=list(examples), data_collator=_Batches(tokenizer.pad_token_id))
    resume(trainer, folder)
    return merged(trainer)


@dataclass(frozen=True, slots=True)
class _Batches:
    """Makes a batch of examples, padded on the left: replies end together, and only there logits are computed."""

    padding: int

    def __call__(self, examples: list[Example]) -> dict[str, object]:
        whole = [one.prompt + one.reply for one in examples]
        longest, written = max(map(len, whole)), 1 + max(len(one.reply) for one in examples)
        return {
            "input_ids": torch.tensor([[self.padding] * (longest - len(ids)) + ids for ids in whole]),
            "attention_mask": torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in whole]),
            "labels": torch.tensor([[_IGNORED] * (written - len(one.reply)) + one.reply for one in examples]),
            "logits_to_keep": written,
        }
