"""Which questions reinforcement learning is worth: those that the model answers right sometimes.

Source: Step-Audio-R1 (https://arxiv.org/abs/2511.15848): of eight samples, three to six are right.
"""

from collections.abc import Sequence

SAMPLES = 8
FEWEST_RIGHT, MOST_RIGHT = 3, 6


def is_of_middle_difficulty(right: Sequence[bool]) -> bool:
    """Whether that many of the samples are right. Raises `ValueError` unless there are eight."""
    if len(right) != SAMPLES:
        raise ValueError(f"difficulty is measured on {SAMPLES} samples, not on {len(right)}")
    return FEWEST_RIGHT <= sum(right) <= MOST_RIGHT
