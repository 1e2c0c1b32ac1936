"""What the recipe costs at Step-Audio-R1's size: `python -m training.full_size.cost`.

Computed, not measured. The counts are from the article (https://arxiv.org/abs/2511.15848) where it publishes them; what
it does not publish is an option, whose default is assumed.
"""

from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from training.full_size.dry_run import ANSWERS, SEQUENCE, Needs, needs

COLD_START_TOKENS = 5e9
"""Tokens of the cold start as others report them: 1e9 of text and 4e9 with sound, in 5 million samples."""
_FORWARD, _BACKWARD = 2, 4
"""Operations for each parameter and token; with adapters, no gradients of the frozen weights: half of the way back."""
_HOUR = 3600

console = Console(width=110)


@dataclass(frozen=True, slots=True)
class Gpu:
    """What one GPU does. The defaults are NVIDIA's figures for an H100 SXM, and shares of them that are usual."""

    operations: float = 989e12
    """Operations a second in bfloat16, at most."""
    bandwidth: float = 3.35e12
    """Bytes of memory read in a second, at most."""
    memory: float = 80e9
    trained_at: float = 0.4
    """Share of `operations` that training reaches."""
    read_at: float = 0.6
    """Share of `bandwidth` that decoding reaches."""


def training_hours(need: Needs, tokens: float, gpu: Gpu) -> float:
    """Hours of one GPU to learn from so many tokens, with one more pass forward because activations are not kept."""
    backward = _BACKWARD if need.trained > need.parameters / 2 else _BACKWARD / 2
    return (2 * _FORWARD + backward) * need.parameters * tokens / (gpu.operations * gpu.trained_at) / _HOUR


def rollout_hours(need: Needs, answers: float, gpu: Gpu, gpus: int, longest: int = SEQUENCE) -> float:
    """Hours of one GPU to write so many answers of `longest` tokens on groups of `gpus`.

    Decoding is bound by memory: each step reads all weights, and the keys and values of every answer, half filled in
    the mean. As many answers are written together as there is memory for.
    """
    weights = 2 * need.parameters
    cached = need.cached_per_answer * longest / SEQUENCE
    room = 0.9 * gpus * gpu.memory - weights
    if room < cached:
        raise ValueError(f"{gpus} GPUs of {gpu.memory / 1e9:g} GB hold the weights and no answer of {longest} tokens")
    together = min(answers, room / cached)
    step = (weights + together * cached / 2) / (gpus * gpu.bandwidth * gpu.read_at)
    return gpus * answers / together * longest * step / _HOUR


def main(
    distilled: Annotated[int, typer.Option(help="Questions of one round of distillation. Not published.")] = 100_000,
    rounds: Annotated[int, typer.Option(help="Rounds of distillation. Not published.")] = 2,
    samples: Annotated[int, typer.Option(help="Traces sampled for each of them. Not published.")] = 8,
    kept: Annotated[float, typer.Option(help="Share of traces that pass the filters. Not published.")] = 0.3,
    words: Annotated[int, typer.Option(help="Mean tokens of a trace with its prompt. Not published.")] = 1_000,
    judged: Annotated[int, typer.Option(help="Questions of reinforcement learning. Not published.")] = 5_000,
    gpus: Annotated[int, typer.Option(help="GPUs that write answers together.")] = 8,
) -> None:
    """Print tokens and GPU hours of each stage, with all weights learning."""
    gpu, need = Gpu(), needs(whole=True)
    traces, answers = distilled * rounds * samples, judged * ANSWERS
    rows = [
        ("cold start", COLD_START_TOKENS, training_hours(need, COLD_START_TOKENS, gpu)),
        ("distillation: sampling", traces * words, rollout_hours(need, traces, gpu, gpus, words)),
        ("distillation: learning", traces * kept * words, training_hours(need, traces * kept * words, gpu)),
        ("rewards: sampling, at most", answers * SEQUENCE, rollout_hours(need, answers, gpu, gpus)),
        ("rewards: learning, at most", answers * SEQUENCE, training_hours(need, answers * SEQUENCE, gpu)),
    ]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    table = Table("stage", "tokens", "GPU hours", "days on 8 GPUs", "days on 32 GPUs")
    for stage, tokens, hours in rows:
        table.add_row(stage, f"{tokens:.2g}", f"{hours:,.0f}", *(f"{hours / 24 / many:.1f}" for many in (8, 32)))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
