"""Words that take the floor, and words that only say "go on". Pure."""

import re
from collections.abc import Collection, Sequence

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_HUM = r"[hmn]*m[hm]*(?:-?[hm]+)*|[aeou]+h+(?:-?[aeouhm]+)*|h+[aeu]+h*m+|h+[aeu]+h+|(?:ha){2,}h*"
"""Sounds that recognizers spell in many ways: mm, mm-hmm, hm, uh-huh, ah, hum, huh, haha."""
HUMS = ("Mm-hmm.", "Mm.", "Mm", "Hmm.", "Hmm", "Uh-huh.", "Yeah.", "Okay.", "Right.")
"""As a recognizer would write them, if it could; a full stop is a token like any other, and may be unlikely."""
_SOME = 3
"""Words of speech that goes on, from which it is judged: the last one is cut, and one alone may be a chance."""


def beyond(text: str, going_on: bool, backchannels: Collection[str]) -> list[str]:
    """The words of `text` behind what it begins with that only says "go on".

    Somebody who has any wants the agent to stop. Hums are none, and neither are the phrases of `backchannels`, in lower
    case. While the speech is `going_on` its last word is not trusted.
    """
    words = _words(text)
    if going_on:
        words = words[:-1] if len(words) >= _SOME else []
    phrases = "|".join([*map(re.escape, sorted(backchannels, key=len, reverse=True)), _HUM])
    return re.sub(rf"^(?:(?:{phrases})(?:\s|$))*", "", " ".join(words)).split()


def breaks_in(words: Sequence[str], interruptions: Collection[str]) -> bool:
    """Whether `words` begin with a phrase, in lower case, of somebody who wants the floor."""
    phrases = "|".join(map(re.escape, interruptions))
    return bool(phrases) and re.match(rf"(?:{phrases})(?:\s|$)", " ".join(words)) is not None


def hums_unlike(text: str) -> list[str]:
    """`HUMS` but for those that `text` begins with: these are nearly as likely as itself, whatever follows."""
    words = _words(text)
    return [hum for hum in HUMS if words[: len(_words(hum))] != _words(hum)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'"))
