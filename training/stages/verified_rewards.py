"""Reinforcement learning with verified rewards, by TRL's GRPO: answers to one question are compared with each other.

Step-Audio-R1 uses PPO with about 16 answers a question (https://arxiv.org/abs/2511.15848); GRPO needs no second model
that values them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

from training.data.acoustic import Question
from training.evaluation import judged
from training.gathering import emptied
from training.model.prompts import Prompts
from training.processes import share
from training.reasoning.rewards import Verdict
from training.reasoning.selection import SAMPLES, is_of_middle_difficulty
from training.rollouts.writer import MOST_TOKENS, Writer, sampled
from training.stages.running import Stage, merged, on_gpu
from training.stages.supervised import adapters


@dataclass(frozen=True, slots=True)
class RewardPace:
    """How long is learned, and from how much at a time."""

    steps: int
    questions: int
    """Questions of one step."""
    group: int
    """Answers to one question that are compared with each other."""
    rate: float = 3e-4
    nearness: float = 0.02
    """Weight of the divergence from the model that the stage begins with, which keeps the stage stable."""
    for_reasoning: bool = True
    """Whether reasoning is rewarded besides right answers."""


def middling(
    writer: Writer,
    prompts: Prompts,
    questions: Sequence[Question],
    sounds: Sequence[Sequence[int] | None],
) -> list[int]:
    """Indices of the questions that are neither too easy nor too hard: eight samples of each are judged."""
    groups = sampled(writer, prompts.all(questions, sounds), SAMPLES)
    return [
        index
        for index, (question, group) in enumerate(zip(questions, groups, strict=True))
        if is_of_middle_difficulty([judged(question, prompts.text(ids)).right for ids in group])
    ]


def train(
    decoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    writer: Writer,
    prompts: Prompts,
    questions: Sequence[Question],
    sounds: Sequence[Sequence[int] | None],
    stage: Stage,
    pace: RewardPace,
) -> PreTrainedModel:
    """Train adapters on answers of `writer`, merge them, and return the decoder. Raises `OutOfTime`."""
    empty = emptied(decoder)
    read, numbers = prompts.all(questions, sounds), list(range(len(questions)))

    def rollout(indices: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        asked = [read[int(index)] for index in indices]
        # Every question is here as often as it has answers, one after the other.
        written = [one for group in writer.write(asked[:: pace.group], pace.group, 1.0) for one in group]
        known = [one.log_probabilities for one in written if one.log_probabilities is not None]
        return {"prompt_ids": asked, "completion_ids": [one.ids for one in written], "logprobs": known or None}

    def verdicts(written: list[list[int]], index: list[int]) -> list[Verdict]:
        pairs = zip(index, written, strict=True)
        return [judged(questions[at], prompts.text(ids), pace.for_reasoning) for at, ids in pairs]

    def reward(completion_ids: list[list[int]], index: list[int], **_: object) -> list[float]:
        return [verdict.reward for verdict in verdicts(completion_ids, index)]

    def right(completion_ids: list[list[int]], index: list[int], **_: object) -> list[float]:
        return [float(verdict.right) for verdict in verdicts(completion_ids, index)]

    def reasons(completion_ids: list[list[int]], index: list[int], **_: object) -> list[float]:
        return [float(verdict.reasons) for verdict in verdicts(completion_ids, index)]

    arguments = GRPOConfig(
        **stage.common(),
        **on_gpu(),
        max_steps=pace.steps,
        per_device_train_batch_size=share(pace.questions) * pace.group,
        num_generations=pace.group,
        reward_weights=[1.0, 0.0, 0.0],  # the others are logged only
        max_completion_length=MOST_TOKENS,
        learning_rate=pace.rate,
        beta=pace.nearness,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=5,
        gradient_checkpointing=False,
        logging_steps=1,
        save_steps=20,
    )
    trainer = GRPOTrainer(
        model=decoder,
        args=arguments,
        reward_funcs=[reward, right, reasons],
        train_dataset=Dataset.from_dict({"prompt": [str(index) for index in numbers], "index": numbers}),
        processing_class=tokenizer,
        peft_config=adapters(writer.whole),
        rollout_func=rollout,
    )
    writer.follow(trainer)
    stage.run(trainer)
    return merged(trainer, empty)
