"""How likely a pause is the end of the turn: by its words, by its sound, and by how long it has lasted. Pure.

A logistic model over a handful of figures. `bench/turn_ends/fitting.py` fitted its weights, in completeness.json.
"""

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pipeline.listening.wording.dictation import Form, dictated_form

_FILLED_PAUSE = re.compile(r"\b(?:u+m+|u+h+|e+r+m*|h+m+)\W*$", re.IGNORECASE)
"""A person who says "um" goes on."""
_QUESTION = re.compile(
    r"\?\s*$|(?:^|[.!?]\s+)(?:what|who|whose|where|when|why|how|which|is|are|do|does|did|can|could|will|would|should)\b"
    r"[^.!?]*[.!]?\s*$",
    re.IGNORECASE,
)
"""Whether the last sentence is a question; recognizers do not always mark one."""
_TRAILING_OFF = re.compile(r"(?:\.\.|…|,|-)\s*$")
"""How recognizers write a voice that stays in the air."""
_FEWEST_WORDS, _MOST_WORDS = 3, 24
"""Words between which a longer statement is likelier to be over."""
_LEAST = 1e-4
"""Smaller probabilities of the decoder count as this: what an unlikely token costs is chance."""
_MOST_SURE = 0.01
"""The sound's probability counts as no nearer than this to 0 or 1."""
FIRST_LOOK_S = 0.2
"""Silence after which the sound is judged first: earlier, every pause sounds alike."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known, in a pause, of whether the turn is over."""

    words: str
    """The turn so far, as transcribed."""
    asked: str = ""
    """What the agent said last."""
    by_words: float | None = None
    """The decoder's probability that the sentence ends here; None: it can't tell."""
    by_sound: float | None = None
    """The same of a model that hears the turn up to now; None: none was asked."""
    silence_s: float = FIRST_LOOK_S
    """How long the pause had lasted when `by_sound` was found."""

    @property
    def known(self) -> str:
        """Which of the opinions are known, as completeness.json names them."""
        opinions = (("decoder", self.by_words), ("sound", self.by_sound))
        return " and ".join(name for name, probability in opinions if probability is not None)


def features(evidence: Evidence) -> dict[str, float]:
    """The figures of the logistic model, by name; each about 1 in size.

    Every piece of what is dictated sounds and reads like an end: there, the opinions say nothing. After an "um" they
    count as sure that more follows.
    """
    form = dictated_form(evidence.words, evidence.asked)
    fills = bool(_FILLED_PAUSE.search(evidence.words))
    asks = bool(_QUESTION.search(evidence.words))
    length = min(max(len(evidence.words.split()), _FEWEST_WORDS), _MOST_WORDS)
    deceptive = form is not None
    found = {
        "bias": 1.0,
        "spelling": float(form is Form.SPELLING),
        "address": float(form in (Form.ADDRESS, Form.EMAIL)),
        "list": float(form is Form.LIST),
        "first_item": float(form is Form.FIRST_ITEM),
        "complete": float(form is Form.COMPLETE),
        "trailing_off": float(bool(_TRAILING_OFF.search(evidence.words))),
        "length": 0.0 if asks or deceptive else math.log2(length / _FEWEST_WORDS),
        "question": float(asks),
    }
    if evidence.by_words is not None:
        likely = math.log10(_LEAST if fills else min(max(evidence.by_words, _LEAST), 1.0)) + 2
        found["decoder"] = 0.0 if deceptive else likely
    if evidence.by_sound is not None:
        sure = _MOST_SURE if fills else min(max(evidence.by_sound, _MOST_SURE), 1 - _MOST_SURE)
        found["sound"] = 0.0 if deceptive else math.log(sure / (1 - sure))
    return found


def probability_of_end(evidence: Evidence) -> float | None:
    """Probability that the turn is over; None: neither the decoder nor the sound says anything."""
    if not evidence.known:
        return None
    weights = _weights()[evidence.known]
    return 1 / (1 + math.exp(-sum(weights[name] * value for name, value in features(evidence).items())))


@cache
def _weights() -> dict[str, dict[str, float]]:
    """By what is known, then by the names of `features`."""
    weights: dict[str, dict[str, float]] = json.loads((files(__package__) / "completeness.json").read_text("utf-8"))
    return weights
