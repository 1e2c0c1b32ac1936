"""What a rule of `normalization` is: a pattern for one unit between two spaces, and the marks that surround it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tts.frontend.english.forms import Match

MARKS = ",;:.?!"
OPENING = "\"'“‘«([{¿¡"
CLOSING = "\"'”’»)]}…" + MARKS
DASHES = ("—", "–", "-", "--")
EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff\ufe0f\u200d\u20e3"
"""Code points of emoji, for a character class of a regular expression."""
AFTER = f"[{re.escape(CLOSING)}—–{EMOJI}]*"
"""What may follow a word up to the next space."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern for one spoken unit and the function that says it."""

    pattern: re.Pattern[str]
    say: Callable[[Match], str | None]
    """Returns the spoken form, or None if the match turns out to be something else."""


def rule(pattern: str, say: Callable[[Match], str | None], flags: int = 0) -> Rule:
    """A rule for `pattern` as a whole unit, whose match has the groups `before`, `rest` and `after`."""
    around = rf"(?P<before>[{re.escape(OPENING)}]*)(?P<rest>{pattern})(?P<after>{AFTER})(?!\S)"
    return Rule(re.compile(around, flags), say)


def first_mark(after: str) -> str:
    """The mark of `after`, the punctuation after a word, at which the voice pauses. Ellipses count as a comma."""
    return next((mark for mark in re.sub(r"…|\.{2,}|[—–]", ",", after) if mark in MARKS), "")
