"""Words that take the floor, and words that only say "go on". Pure."""

import re
from collections.abc import Collection

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_HUM = r"[hmn]*m[hm]*(?:-?[hm]+)*|[aeou]+h+(?:-?[aeouhm]+)*|h+[aeu]+h*m+"
"""Sounds that recognizers spell in many ways: mm, mm-hmm, hm, uh-huh, ah, hum."""
HUMS = ("Mm-hmm.", "Mm.", "Mm", "Hmm.", "Hmm", "Uh-huh.", "Yeah.", "Okay.", "Right.")
"""As a recognizer would write them, if it could; a full stop is a token like any other, and may be unlikely."""
_SOME = 3
"""Words of speech that goes on, from which it is judged: the last one is cut, and one alone may be a chance."""


def takes_the_floor(text: str, going_on: bool, backchannels: Collection[str]) -> bool:
    """Whether somebody who says `text` over the agent's voice wants it to stop.

    Words that nobody could make out don't, and neither do hums and the phrases of `backchannels`, in lower case. While
    the speech is `going_on` its last word is not trusted.
    """
    words = _words(text)
    if going_on:
        words = words[:-1] if len(words) >= _SOME else []
    phrases = "|".join([*map(re.escape, sorted(backchannels, key=len, reverse=True)), _HUM])
    return re.fullmatch(rf"(?:(?:{phrases})(?:\s|$))*", " ".join(words)) is None


def breaks_in(text: str, interruptions: Collection[str]) -> bool:
    """Whether `text` begins with a phrase, in lower case, of somebody who wants the floor."""
    phrases = "|".join(map(re.escape, interruptions))
    return bool(phrases) and re.match(rf"(?:{phrases})(?:\s|$)", " ".join(_words(text))) is not None


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'"))
