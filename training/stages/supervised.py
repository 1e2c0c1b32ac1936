"""Supervised training on written answers: the cold start, and each round of distillation."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Trainer, TrainingArguments

from training.gathering import emptied
from training.stages.running import Stage, merged, on_gpu

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
    whole: bool = False
    """Whether all weights learn, as those of a model that begins from nothing have to."""


def adapters(whole: Sequence[str] = ("adaptor", "lm_head"), rank: int = 16) -> LoraConfig:
    """LoRA on all projections. The layers named by `whole` learn all weights.

    By default, these are the audio adaptor and the layer that writes the new control tokens.
    """
    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=_PROJECTIONS,
        modules_to_save=list(whole),
        task_type="CAUSAL_LM",
    )


def train(
    decoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    stage: Stage,
    pace: Pace,
) -> PreTrainedModel:
    """Train adapters or, at that pace, all weights on `examples`; returns the decoder. Raises `OutOfTime`."""
    empty = emptied(decoder)
    model = decoder.requires_grad_(True) if pace.whole else get_peft_model(decoder, adapters())
    arguments = TrainingArguments(
        **stage.common(),
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
    stage.run(trainer)
    return merged(trainer, empty)


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
