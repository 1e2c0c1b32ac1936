"""What writes answers: one contract, whether it is this process or a server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from training.processes import in_parts

MOST_TOKENS = 48
"""Tokens of a thought and its answer."""


@dataclass(frozen=True, slots=True)
class Written:
    """One answer."""

    ids: list[int]
    """The token that ends it included, unless it was cut at `MOST_TOKENS`."""
    log_probabilities: list[float] | None = None
    """Natural logarithm of each token's probability where it was written. None: the trainer computes it."""


class Writer(Protocol):
    """Writes answers with the weights of one model."""

    @property
    def whole(self) -> Sequence[str]:
        """Layers that may learn all of their weights, besides adapters, in training that this writer follows."""

    def write(self, read: Sequence[Sequence[int]], samples: int, temperature: float) -> list[list[Written]]:
        """`samples` answers to each prompt. `temperature`: 0 takes the likeliest token, of one sample."""

    def follow(self, trainer: Any) -> None:  # noqa: ANN401 - TRL has no types
        """Write with the weights that a `GRPOTrainer` has at each of its steps, from now on."""


def sampled(writer: Writer, read: Sequence[Sequence[int]], samples: int) -> list[list[list[int]]]:
    """The ids of `samples` answers to each prompt, drawn at temperature 1. Several processes share the prompts."""
    groups = in_parts(lambda part: writer.write(part, samples, 1.0), read)
    return [[one.ids for one in group] for group in groups]


def likeliest(writer: Writer, read: Sequence[Sequence[int]]) -> list[list[int]]:
    """The ids of the answer to each prompt at temperature 0. Several processes share the prompts."""
    return [one.ids for (one,) in in_parts(lambda part: writer.write(part, 1, 0.0), read)]
