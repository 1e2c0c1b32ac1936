"""Questions of text, so that what the model knew is not lost: small sums, comparisons and steps of logic."""

import numpy as np

from training.data.acoustic import SPLITS, Question, Split

_NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eva", "Finn")
_THINGS = ("apples", "coins", "books", "stamps")


def generate(split: Split, number: int, seed: int) -> list[Question]:
    """`number` questions; sums that are tested use numbers that those of the training do not."""
    random = np.random.default_rng((seed, SPLITS.index(split), 1))
    makers = (_sum, _taller)
    return [makers[index % len(makers)](random, split) for index in range(number)]


def _sum(random: np.random.Generator, split: Split) -> Question:
    low = 2 * int(random.integers(1, 10)) + (split != "train")
    more = int(random.integers(2, 10))
    name, things = random.choice(_NAMES), random.choice(_THINGS)
    asked = f"{name} has {low} {things} and gets {more} more. How many {things} is that?"
    total = str(low + more)
    return Question("sum", asked, (), total, (f"{low} plus {more} is {total}.",), asked)


def _taller(random: np.random.Generator, split: Split) -> Question:
    first, second = (str(name) for name in random.choice(_NAMES, 2, replace=False))
    word, opposite = ("older", "younger") if split != "train" else ("taller", "shorter")
    asked = f"{first} is {word} than {second}. Who is {opposite}, {first} or {second}?"
    return Question(
        "order of names", asked, (first, second), second, (f"{first} is {word}, so {second} is {opposite}.",), asked
    )
