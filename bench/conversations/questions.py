"""Spoken questions made from templates, and the rule that checks an answer."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import soxr

from audio.pcm import Pcm
from audio.sound_file import read_wav
from realtime.protocol.audio_format import WIRE_RATE
from tts.frontend.clauses import clauses_of
from tts.synthesizer import Voice


class Audio(Protocol):
    """The audio of a question."""

    def pcm(self) -> Pcm:
        """Samples at 24 kHz. Raises `UnreadableAudio`."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A spoken question and its answer."""

    name: str
    category: str
    answer: str
    """A number in digits, or one of a pair such as "yes" and "no"."""
    audio: Audio
    text: str = ""
    """Its words; "" if they are unknown."""


@dataclass(frozen=True, slots=True)
class LocatedNumber:
    """A number and the characters of the text that it takes."""

    value: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A question in an audio file."""

    path: Path

    def pcm(self) -> Pcm:
        return read_wav(self.path, WIRE_RATE)


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A question spoken by one of our voices."""

    text: str
    voice: Voice

    def pcm(self) -> Pcm:
        clauses = clauses_of(self.text)
        pcm = np.concatenate([speech.pcm for clause in clauses for speech in self.voice.speak(clause)])
        clipped: Pcm = np.clip(soxr.resample(pcm, self.voice.sample_rate, WIRE_RATE), -1, 1).astype(np.float32)
        return clipped


def spoken(count: int, voice: Voice, seed: int = 0) -> list[Question]:
    """`count` questions from the templates in turn, arithmetic and logic; the same for the same seed."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        text, answer = _TEMPLATES[number % len(_TEMPLATES)](chance)
        category = "logic" if answer in _CHOICES else "arithmetic"
        made.append(Question(f"{category}_{number:03}", category, answer, Synthesized(text, voice), text))
    return made


def is_checkable(answer: str) -> bool:
    """Whether `is_right` can check this answer."""
    return answer in _CHOICES or len(numbers_in(answer)) == 1


def is_right(answer: str, said: str) -> bool:
    """Whether `said` gives `answer`. Numbers may be words or digits.

    The first number or choice after the last "answer is" counts, as in the scoring of Spoken-MQA. Without that phrase
    the last one counts; "yes" and "no" only by themselves or at the beginning of a sentence.
    """
    *before, end = _ANSWER_IS.split(said.lower())
    counts = 0 if before else -1
    if answer not in _CHOICES:
        numbers = numbers_in(end)
        return bool(numbers) and numbers[counts] == numbers_in(answer)[0]
    pattern = _VALIDITY if answer in ("valid", "invalid") else _ANY_TRUTH if before else _TRUTH
    choices = [next(filter(None, found.groups())) for found in pattern.finditer(_NOT_VALID.sub("invalid", end))]
    return bool(choices) and choices[counts] == answer


def numbers_in(text: str) -> list[float]:
    """Every number of `text`, in words or digits, in order."""
    return [number.value for number in located_numbers(text)]


def located_numbers(text: str) -> list[LocatedNumber]:
    """Every number of `text`, in words or digits, in order, with its place."""
    return [LocatedNumber(_value(found.group()), *found.span()) for found in _NUMBER.finditer(text.lower())]


def _value(number: str) -> float:
    sign = -1 if number.startswith(("minus ", "negative ", "-")) else 1
    whole, _, decimals = number.partition(" point ")
    total, part = 0.0, 0.0
    for word in re.findall(r"\d[\d,.]*|[a-z]+", whole):
        if word[0].isdigit():
            part = float(word.replace(",", ""))
        elif word == "hundred":
            part = (part or 1) * 100
        elif word in _SCALES:
            total, part = total + (part or 1) * _SCALES[word], 0.0
        else:
            part += _WORDS.get(word, 0)
    fraction = "".join(str(_WORDS[word]) for word in decimals.split())
    return sign * (total + part + (float(f"0.{fraction}") if fraction else 0))


_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_WORDS = {word: value for value, word in enumerate(_DIGITS + _TEENS)}
_WORDS |= {word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)}

_DIGIT, _SCALE = "|".join(_DIGITS), "|".join(_SCALES)
_BELOW_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{_DIGIT}))?|{'|'.join(_TEENS)}|{_DIGIT})"
_BELOW_1000 = rf"(?:(?:{_BELOW_100}|a) hundred(?:(?: and)? {_BELOW_100})?|{_BELOW_100}|a(?= thousand))"
_SPELLED = rf"{_BELOW_1000}(?: (?:{_SCALE})(?:,?(?: and)? {_BELOW_1000})?)*(?: point(?: (?:{_DIGIT}))+)?"
_FIGURES = rf"\d+(?:,\d{{3}})*(?:\.\d+)?(?: (?:hundred|{_SCALE}))?"
_NUMBER = re.compile(rf"\b(?:(?:minus|negative) )?{_SPELLED}\b|(?:minus |negative |(?<![\w.])-)?(?<![\w.]){_FIGURES}")

_CHOICES = ("yes", "no", "valid", "invalid")
_ANSWER_IS = re.compile(r"\banswer is:?|####")
_NOT_VALID = re.compile(r"(?:\bnot|n't)(?: \w+)? valid\b")
_VALIDITY = re.compile(r"\b(valid|invalid)\b")
_ANY_TRUTH = re.compile(r"\b(yes|no)\b")
_TRUTH = re.compile(r"(?:^|[.!?:]\s+)(?:so |then |therefore,? )?(yes|no)\b|\b(yes|no)\b(?=\s*(?:[,.!?;:]|$))")


def _sum(chance: random.Random) -> tuple[str, str]:
    a, b = chance.randint(12, 89), chance.randint(12, 89)
    return f"What is {a} plus {b}?", str(a + b)


def _order(chance: random.Random) -> tuple[str, str]:
    tall, middle, short = chance.sample(_NAMES, 3)
    asked, other = (tall, short) if chance.random() < 0.5 else (short, tall)
    answer = "yes" if asked == tall else "no"
    question = f"Is {asked} taller than {other}, yes or no?"
    return f"{tall} is taller than {middle}, and {middle} is taller than {short}. {question}", answer


def _apples(chance: random.Random) -> tuple[str, str]:
    has, buys = chance.randint(4, 20), chance.randint(2, 20)
    gives = chance.randint(1, has)
    fruit = chance.choice(("apples", "oranges", "lemons"))
    text = f"I have {has} {fruit} and buy {buys} more. Then I give {gives} away. How many {fruit} do I have now?"
    return text, str(has + buys - gives)


def _walk(chance: random.Random) -> tuple[str, str]:
    steps = chance.randint(3, 12)
    back = steps if chance.random() < 0.5 else steps + chance.randint(1, 3)
    text = f"I walk {steps} steps forward, turn around, and walk {back} steps. Am I back where I began, yes or no?"
    return text, "yes" if back == steps else "no"


def _boxes(chance: random.Random) -> tuple[str, str]:
    boxes, pens = chance.randint(3, 9), chance.randint(4, 12)
    broken = chance.randint(2, pens)
    text = f"There are {boxes} boxes with {pens} pens in each, and {broken} of the pens are broken. How many are not?"
    return text, str(boxes * pens - broken)


def _liars(chance: random.Random) -> tuple[str, str]:
    first, second = chance.sample(_NAMES, 2)
    lies, claims_truth = chance.random() < 0.5, chance.random() < 0.5
    habit = "always lies" if lies else "always tells the truth"
    claim = "tells the truth" if claims_truth else "lies"
    text = f"{first} {habit}. {second} says that {first} {claim}. Does {second} tell the truth, yes or no?"
    return text, "yes" if claims_truth != lies else "no"


def _price(chance: random.Random) -> tuple[str, str]:
    price, books = chance.randint(3, 15), chance.randint(3, 9)
    paid = price * books + chance.randint(1, 20)
    text = (
        f"A book costs {price} dollars. I buy {books} of them and pay with {paid} dollars. How many dollars are left?"
    )
    return text, str(paid - price * books)


def _kinds(chance: random.Random) -> tuple[str, str]:
    a, b, c = chance.sample(("singers", "bakers", "pilots", "painters", "sailors"), 3)
    text, answer = chance.choice(
        (
            (f"All {a} are {b}, and all {b} are {c}. Are all {a} {c}, yes or no?", "yes"),
            (f"All {a} are {b}, and no {b} are {c}. Are any {a} {c}, yes or no?", "no"),
        )
    )
    return text, answer


_NAMES = ("Peter", "Mary", "David", "Susan", "Thomas", "Laura", "Robert", "Helen")
_TEMPLATES: tuple[Callable[[random.Random], tuple[str, str]], ...] = (
    *(_sum, _order, _apples, _walk),
    *(_boxes, _liars, _price, _kinds),
)
