"""A written answer, cut into its thoughts and its words."""

import re
from dataclasses import dataclass
from typing import Self

from pipeline.decoders.thought_formats import STEP_AUDIO_R1

_WORD = re.compile(r"[a-z0-9]+(?:[.'][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class WrittenAnswer:
    """What the model wrote after a prompt that has opened its thought, as Step-Audio-R1's template does."""

    thought: str
    words: str
    closed: bool
    """Whether the thought was closed, and closed once. If it was not, everything is thought."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Cut `text`, without control tokens, at the end of its thought."""
        closing = STEP_AUDIO_R1.closes.strip()
        thought, mark, words = text.partition(closing)
        return cls(thought.strip(), words.strip(), bool(mark) and closing not in words)

    @property
    def text(self) -> str:
        """The answer as the model is to write it: `read` of it is this answer again, if it is `closed`."""
        return f"{self.thought}{STEP_AUDIO_R1.closes}{self.words}"


def plain_words(text: str) -> list[str]:
    """The words and numbers of `text`, in lower case."""
    return _WORD.findall(text.lower())


def is_right(words: str, answer: str, choices: tuple[str, ...] = ()) -> bool:
    """Whether `words` commit themselves to `answer`: it is named, and no other of the `choices` is, but inside it.

    Where there are no choices, the answer is a number or a name, and it has to be the last one of its kind.
    """
    said = plain_words(words)
    if choices:
        named = [choice for choice in choices if _names(said, choice)]
        return answer in named and all(_names(plain_words(answer), choice) for choice in named)
    if answer.isdigit():
        numbers = [word for word in said if word.isdigit()]
        return numbers[-1:] == [answer]
    return _names(said, answer)


def first_named(words: str, choices: tuple[str, ...]) -> str | None:
    """The choice that `words` name first; None if they name none."""
    said = f" {' '.join(plain_words(words))} "
    starts = {choice: said.find(f" {' '.join(plain_words(choice))} ") for choice in choices}
    named = [choice for choice in choices if starts[choice] >= 0]
    return min(named, key=lambda choice: starts[choice], default=None)


def _names(said: list[str], phrase: str) -> bool:
    wanted = plain_words(phrase)
    return any(said[start : start + len(wanted)] == wanted for start in range(len(said) - len(wanted) + 1))
