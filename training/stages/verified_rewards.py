"""Reinforcement learning with verified rewards, by TRL's GRPO: answers to one question are compared with each other.

Step-Audio-R1 uses PPO with about 16 answers a question (https://arxiv.org/abs/2511.15848); GRPO needs no second model
that values them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

from training.data.acoustic import Question
from training.evaluation import judged
from training.model.prompts import Prompts
from training.model.sampling import MOST_TOKENS, sampled, write_answers
from training.reasoning.selection import SAMPLES, is_of_middle_difficulty
from training.stages.running import common, merged, on_gpu, resume
from training.stages.supervised import adapters

_RATE = 1e-4


def middling(
    model: PreTrainedModel,
    prompts: Prompts,
    questions: Sequence[Question],
    sounds: Sequence[Sequence[int] | None],
) -> list[int]:
    """Indices of the questions that are neither too easy nor too hard: eight samples of each are judged."""
    groups = sampled(model, prompts, prompts.all(questions, sounds), SAMPLES)
    return [
        index
        for index, (question, group) in enumerate(zip(questions, groups, strict=True))
        if is_of_middle_difficulty([judged(question, prompts.text(ids)).right for ids in group])
    ]


def train(
    decoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Prompts,
    questions: Sequence[Question],
    sounds: Sequence[Sequence[int] | None],
    folder: Path,
    *,
    steps: int,
    group: int,
    seed: int,
) -> PreTrainedModel:
    """Train adapters for `steps`, each with `group` answers to one question, merge them, and return the decoder.

    Checkpoints in `folder` are resumed from.
    """
    read, numbers = prompts.all(questions, sounds), list(range(len(questions)))

    def rollout(indices: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        asked = [read[int(index)] for index in indices]
        written = write_answers(trainer.model, prompts, asked, temperature=1.0)
        return {"prompt_ids": asked, "completion_ids": written, "logprobs": None}

    def reward(completion_ids: list[list[int]], index: list[int], **_: object) -> list[float]:
        return [judged(questions[at], prompts.text(ids)).reward for at, ids in zip(index, completion_ids, strict=True)]

    arguments = GRPOConfig(
        **common(folder, seed),
        **on_gpu(),
        max_steps=steps,
        per_device_train_batch_size=group,
        num_generations=group,
        max_completion_length=MOST_TOKENS,
        learning_rate=_RATE,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=5,
        gradient_checkpointing=False,
        logging_steps=1,
        save_steps=20,
    )
    trainer = GRPOTrainer(
        model=decoder,
        args=arguments,
        reward_funcs=[reward],
        train_dataset=Dataset.from_dict({"prompt": [str(index) for index in numbers], "index": numbers}),
        processing_class=tokenizer,
        peft_config=adapters(),
        rollout_func=rollout,
    )
    resume(trainer, folder)
    return merged(trainer)
