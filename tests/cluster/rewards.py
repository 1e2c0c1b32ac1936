"""A stage of reinforcement learning with answers by vLLM, and a program for processes that share its model."""

import sys
from pathlib import Path

import torch

from tests.training.stages.claimed_gpus import claim_gpus
from tests.training.stages.tiny_model import begin
from tests.training.voices import RecordedSpeaker
from training.data import acoustic, textual
from training.data.acoustic import Question
from training.model.trainee import Trainee
from training.reasoning.rewards import Verdict
from training.rollouts.vllm_server import VllmServer
from training.rollouts.vllm_writer import VllmWriter
from training.stages import verified_rewards
from training.stages.running import Stage
from training.stages.verified_rewards import RewardPace

STEPS = 4


def trainee() -> Trainee:
    """A model of random weights, large enough that what it reads makes a difference."""
    modules, tokenizer = begin([])
    for weight in modules.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.15)
    return Trainee(modules, tokenizer)


def questions() -> list[Question]:
    return [*acoustic.generate(RecordedSpeaker(), "train", 3, 0), *textual.generate("train", 1, 0)]


def odd_is_right(question: Question, text: str, for_reasoning: bool = True) -> Verdict:
    """A stand-in for the judge: to it, a random model is always wrong, and nothing is learned from that."""
    return Verdict(right=len(text) % 2 == 1, reasons=True, reward=float(len(text) % 2))


def learn(server: VllmServer, folder: Path) -> None:
    """A few steps at a high rate, so that weights change."""
    torch.manual_seed(0)
    run, asked = trainee(), questions()
    sounds = run.hear(asked)
    writer = VllmWriter(server, run)
    pace = RewardPace(steps=STEPS, questions=2, group=4, rate=1e-2)
    verified_rewards.train(run.decoder, run.tokenizer, writer, run.prompts, asked, sounds, Stage(folder, 0), pace)


if __name__ == "__main__":
    claim_gpus()
    verified_rewards.judged = odd_is_right  # type: ignore[attr-defined]
    url, folder = sys.argv[1], Path(sys.argv[2])
    with VllmServer(url, folder / "vllm") as server:
        learn(server, folder / "stage")
