"""Fits the weights of pipeline/listening/completeness.json to the pauses of recorded turns.

    antiphon bench endpointing --dataset FOLDER --out pauses.json
    python -m bench.turn_ends.fitting pauses.json MORE.json > pipeline/listening/completeness.json

Logistic regression by Newton's method, with a ridge. Every pause counts once, evenly for the looks that it lasts for.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from bench.corpus import read_json
from bench.turn_ends.replay import Pause
from pipeline.listening.completeness import Evidence, features

_RIDGE = 0.3
"""Keeps weights small that few pauses speak for."""
_STEPS = 50

Weights = dict[str, float]
Figures = NDArray[np.float64]


class _Pauses(BaseModel):
    pauses: list[Pause]


def fit(pauses: Sequence[Pause]) -> dict[str, Weights]:
    """Weights for every combination of opinions, by its name, from pauses of which all are known."""
    looks = [look for pause in pauses for look in pause.looks]
    ends = np.array([pause.is_end for pause in pauses for _ in pause.looks], float)
    counts = np.array([1 / len(pause.looks) for pause in pauses for _ in pause.looks])
    combinations = (
        looks,
        [replace(look, by_words=None) for look in looks],
        [replace(look, by_sound=None) for look in looks],
    )
    return {looks[0].known: _weights(looks, ends, counts) for looks in combinations}


def _weights(looks: Sequence[Evidence], ends: Figures, counts: Figures) -> Weights:
    found = [features(look) for look in looks]
    names = list(found[0])
    values = np.array([[one[name] for name in names] for one in found])
    return {
        name: round(float(weight), 3) for name, weight in zip(names, _regression(values, ends, counts), strict=True)
    }


def _regression(values: Figures, ends: Figures, counts: Figures) -> Figures:
    """Weights of shape (features,), the first of which is free.

    `values`: shape (looks, features). `ends`: 0 or 1 for each look. `counts`: how much each counts.
    """
    ridge = np.diag([0.0] + [_RIDGE] * (values.shape[1] - 1))
    weights = np.zeros(values.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-values @ weights))
        slope = values.T @ (counts * (ends - likely)) - ridge @ weights
        curvature = (values * (counts * likely * (1 - likely))[:, None]).T @ values + ridge
        weights = weights + np.linalg.solve(curvature, slope)
    return weights


def main(files: Sequence[Path]) -> None:
    pauses = [pause for file in files for pause in read_json(file, _Pauses).pauses]
    print(json.dumps(fit(pauses), indent=1))  # noqa: T201


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
