"""Acoustic questions: a recipe makes the recording, and the same recipe is the answer.

None can be answered from a transcript: words and voices are drawn independently of what is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, Protocol, get_args

import numpy as np

from audio.pcm import INPUT_RATE, Pcm, silence
from training.data import effects

Split = Literal["train", "validation", "test"]
"""Sets of disjoint voices, sentences and wordings. Sizes and rates are chosen on the validation."""


SPLITS: tuple[Split, ...] = get_args(Split)


class Speaker(Protocol):
    """Speaks sentences in several voices."""

    def voices(self, split: Split) -> Sequence[str]:
        """Names of the voices of a split; no voice is in two splits."""
        ...

    def say(self, text: str, voice: str, speed: float) -> Pcm:
        """`text` at 16 kHz, without silence at its ends, `speed` times as fast as usual."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a recording, or, without one, about its own text."""

    kind: str
    asked: str
    """Empty where the recording itself asks."""
    choices: tuple[str, ...]
    """Answers from which one is drawn; empty where the answer is a number."""
    answer: str
    evidence: tuple[str, ...]
    """True sentences about what can be heard (or how to compute), which lead to the answer."""
    transcript: str
    """The words that are spoken."""
    pcm: Pcm | None = None
    """The recording, 16 kHz mono; None for a question of text."""

    @property
    def modality(self) -> Literal["audio", "text"]:
        """What it is about."""
        return "text" if self.pcm is None else "audio"

    @property
    def chance(self) -> float:
        """Share of right answers by guessing."""
        return 1 / len(self.choices) if self.choices else 0.0


@dataclass(frozen=True, slots=True)
class _Take:
    """A recording that is being made."""

    speaker: Speaker
    split: Split
    random: np.random.Generator
    text: str
    voice: str
    size: float
    """Of the speaker: below 1 they sound larger than the voice does, lower and a little slower."""

    @classmethod
    def drawn(cls, speaker: Speaker, split: Split, random: np.random.Generator, without: str = "") -> "_Take":
        """Any sentence by anybody but the voice `without`, in any size."""
        text = str(random.choice(SENTENCES[split]))
        voice = str(random.choice([voice for voice in speaker.voices(split) if voice != without]))
        return cls(speaker, split, random, text, voice, float(random.uniform(0.88, 1.14)))

    def say(self, speed: float = 1.0) -> Pcm:
        spoken = effects.resampled(self.speaker.say(self.text, self.voice, speed), self.size)
        return effects.at_level(spoken, effects.SPEECH_DB)

    def by_another(self) -> "_Take":
        """The same sentence by another voice."""
        return replace(self.drawn(self.speaker, self.split, self.random, self.voice), text=self.text)


_ADJUSTED = 4
"""Steps in which a change of level comes to within a decibel of what it is to be."""

_Recipe = Callable[[_Take, str], tuple[Pcm, tuple[str, ...]]]
"""Makes the recording whose answer is given, and the evidence that can be heard in it."""


def _level_change(take: _Take, answer: str) -> tuple[Pcm, tuple[str, ...]]:
    db = float(take.random.uniform(14, 22)) * (1 if answer == "louder" else -1)
    where = ("soft", "strong") if db > 0 else ("strong", "soft")
    evidence = f"The voice starts {where[0]} and ends {where[1]}.", f"Its level {'rises' if db > 0 else 'falls'}."
    pcm = take.say()
    # Most sentences end softer than they begin, by themselves: what is asked about is the change that remains.
    for _ in range(_ADJUSTED):
        pcm = effects.ramped(pcm, db - effects.change_db(pcm))
    return pcm, evidence


def _pace(take: _Take, answer: str) -> tuple[Pcm, tuple[str, ...]]:
    pcm = take.say(_SPEEDS[answer])
    rate = len(take.text.split()) / (len(pcm) / INPUT_RATE)
    return pcm, (f"The tempo is about {rate:.0f} words a second.", f"The syllables are {_LENGTHS[answer]}.")


_SPEEDS = {"fast": 1.55, "slowly": 0.65}
_LENGTHS = {"fast": "short and close together", "slowly": "long and drawn out"}


def _pause(take: _Take, answer: str) -> tuple[Pcm, tuple[str, ...]]:
    pcm = take.say()
    if answer == "no":
        return pcm, ("The voice runs through.", "There is no silence in the middle.")
    seconds = float(take.random.uniform(0.8, 1.4))
    return effects.paused(pcm, seconds), ("The voice breaks off.", f"There is silence for about {seconds:.0f} second.")


def _speakers(take: _Take, answer: str) -> tuple[Pcm, tuple[str, ...]]:
    gap = silence(INPUT_RATE // 5)
    second = take if answer == "one" else take.by_another()
    evidence = "timbre stays the same" if answer == "one" else "timbre and the pitch change"
    return (
        np.concatenate((take.say(), gap, second.say())),
        ("The sentence is heard twice.", f"The {evidence} after the gap."),
    )


def _background(take: _Take, answer: str) -> tuple[Pcm, tuple[str, ...]]:
    quiet = silence(INPUT_RATE // 3)
    pcm = np.concatenate((quiet, take.say(), quiet))
    if answer == "silence":
        return pcm, ("Before and after the voice nothing sounds.",)
    made = effects.noise if answer == "hiss" else effects.hum
    low = "a broad, even hiss" if answer == "hiss" else "a low, steady hum"
    background = effects.under(pcm, made(len(pcm), take.random), float(take.random.uniform(8, 16)))
    return background, (f"Behind the voice there is {low}.",)


def _order(take: _Take, answer: str) -> tuple[Pcm, tuple[str, ...]]:
    parts = [effects.beep(take.random), silence(INPUT_RATE // 5), take.say()]
    evidence = ("A beep sounds at the start.", "The voice follows it.")
    if answer == "voice":
        parts.reverse()
        evidence = ("The voice starts at once.", "A beep sounds at the end.")
    return np.concatenate(parts), evidence


def _pitch(take: _Take, answer: str) -> tuple[Pcm, tuple[str, ...]]:
    gap = silence(INPUT_RATE // 5)
    speed = _SHIFTING[answer]
    second = effects.resampled(take.say(speed), float(take.random.uniform(0.95, 1.05)) / speed)
    moves = "rises" if answer == "higher" else "falls"
    return np.concatenate((take.say(), gap, second)), (
        "The sentence is heard twice.",
        f"The pitch {moves} after the gap.",
    )


_SHIFTING = {"higher": 0.75, "lower": 1.3}
"""Speeds of the second time, whose pace is then restored by playing it faster or slower. Few: synthesis takes long."""


@dataclass(frozen=True, slots=True)
class _Kind:
    choices: tuple[str, ...]
    recipe: _Recipe
    asked: Mapping[Split, tuple[str, ...]]
    aloud: bool
    """Whether the recording asks: the speaker says the question, in the way that it is about."""


def _kind(
    choices: Sequence[str], recipe: _Recipe, train: Sequence[str], validation: str, test: str, aloud: bool = False
) -> _Kind:
    asked: Mapping[Split, tuple[str, ...]] = {"train": tuple(train), "validation": (validation,), "test": (test,)}
    return _Kind(tuple(choices), recipe, MappingProxyType(asked), aloud)


KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "level": _kind(
            ("louder", "quieter"),
            _level_change,
            (
                "Does the voice get louder or quieter?",
                "Is the end louder or quieter than the start?",
                "Say whether it becomes louder or quieter.",
            ),
            "Do you hear it become louder or quieter?",
            "Tell me: louder or quieter towards the end?",
        ),
        "pace": _kind(
            ("fast", "slowly"),
            _pace,
            ("Is it spoken fast or slowly?", "Did I talk fast or slowly?", "Tell me: is this fast or slowly said?"),
            "Do they talk fast or slowly?",
            "Was I speaking fast or slowly?",
        ),
        "pause": _kind(
            ("yes", "no"),
            _pause,
            (
                "Is there a long pause, yes or no?",
                "Does the voice stop in between, yes or no?",
                "Did they pause somewhere, yes or no?",
            ),
            "Is the speech interrupted, yes or no?",
            "Did I pause in the middle, yes or no?",
        ),
        "speakers": _kind(
            ("one", "two"),
            _speakers,
            ("Do you hear one or two people?", "Are these one or two speakers?", "How many voices, one or two?"),
            "Is it one or two who talk?",
            "How many people speak, one or two?",
        ),
        "background": _kind(
            ("silence", "hiss", "hum"),
            _background,
            (
                "What is behind the voice: silence, hiss or hum?",
                "Is there silence, hiss or hum around the voice?",
                "What do you hear in the background, silence, hiss or hum?",
            ),
            "Which is in the background: silence, hiss or hum?",
            "In the background, is it silence, hiss or hum?",
        ),
        "order": _kind(
            ("beep", "voice"),
            _order,
            (
                "What comes first, the beep or the voice?",
                "Does it start with the beep or the voice?",
                "Which came earlier, the beep or the voice?",
            ),
            "Do you hear the beep or the voice first?",
            "Which is earlier, beep or voice?",
        ),
        "pitch": _kind(
            ("higher", "lower"),
            _pitch,
            (
                "Is the second time higher or lower?",
                "Does the repetition sound higher or lower?",
                "When it is said again, is the voice higher or lower?",
            ),
            "Is the voice higher or lower the second time it speaks?",
            "The second time, is the voice higher or lower?",
        ),
        "pace, asked aloud": _kind(
            ("fast", "slowly"),
            _pace,
            ("Did I talk fast or slowly?",),
            "Am I talking fast or slowly?",
            "Was I speaking fast or slowly?",
            aloud=True,
        ),
        "level, asked aloud": _kind(
            ("louder", "quieter"),
            _level_change,
            ("Does my voice get louder or quieter?",),
            "Is my voice becoming louder or quieter?",
            "Did I get louder or quieter?",
            aloud=True,
        ),
    }
)
"""Kinds of acoustic questions, each with its choices and the wordings of each split."""

SENTENCES: Mapping[Split, tuple[str, ...]] = MappingProxyType(
    {
        "train": (
            "The train to the coast leaves at nine.",
            "Put the bread on the kitchen table.",
            "He keeps his letters in a wooden box.",
        ),
        "validation": ("The garden is behind the old school.", "We saw two ships near the harbour."),
        "test": (
            "The museum closes early on Sundays.",
            "I forgot my umbrella at the office.",
            "They are building a bridge over the river.",
            "The soup needs a little more salt.",
        ),
    }
)
"""What is spoken. It has nothing to do with what is asked."""


def generate(
    speaker: Speaker, split: Split, number: int, seed: int, kinds: Sequence[str] = tuple(KINDS)
) -> list[Question]:
    """`number` questions, of all kinds in turn, all answers of a kind equally often. One seed makes one set."""
    random = np.random.default_rng((seed, SPLITS.index(split)))
    made = []
    for index in range(number):
        name = kinds[index % len(kinds)]
        kind = KINDS[name]
        answer = kind.choices[index // len(kinds) % len(kind.choices)]
        take = _Take.drawn(speaker, split, random)
        asked = str(random.choice(kind.asked[split]))
        if kind.aloud:
            take, asked = replace(take, text=asked), ""
        pcm, evidence = kind.recipe(take, answer)
        if kind.aloud:
            pcm = np.concatenate((_breath(random), pcm, _breath(random)))
        made.append(Question(name, asked, kind.choices, answer, evidence, take.text, pcm))
    return made


def _breath(random: np.random.Generator) -> Pcm:
    """The silence around a turn, of which an agent records more or less."""
    return silence(round(float(random.uniform(0, 0.6)) * INPUT_RATE))
