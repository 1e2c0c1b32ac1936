"""Where a clause may end: behind which words, and what the next word has to say about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tts.text import AFTER, DASHES, MONTH, OPENING, first_mark
from tts.vocabulary import ABBREVIATIONS, MONTHS, UNITS, WEEKDAYS

GoesOn = Callable[[str], bool | None]
"""Asked with ever more of the next word, with a space behind the whole: None while that is too little to know."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """A place where a clause may end."""

    sentence: bool
    stop: str
    goes_on: GoesOn | None = None
    """Whether the clause goes on with the next word after all."""


ENDING = re.compile(rf"{AFTER}$")
_MAY_REACH = re.compile(rf".*[\d%]|.*°[CF]?|.*[AaPp]\.?[Mm]\.?|{MONTH}|{'|'.join(WEEKDAYS)}")
"""What may reach to something, with a dash between the two: 9 AM – 5 PM."""
_NEVER_LAST = {
    *("Mr.", "Mrs.", "Ms.", "Prof.", "Gen.", "Sen.", "Rep.", "Gov.", "Pres.", "Capt.", "Col.", "Maj.", "Lt.", "Sgt."),
    *("Adm.", "Rev.", "Hon.", "Mt.", "Ft.", "Apt.", "e.g.", "i.e.", "vs.", "v.", "approx.", "est.", "cf.", "ca."),
    *("Art.", "Ch.", "Eq.", "Fig.", "Figs.", "Nos.", "nos.", "pp.", "Pt.", "Sec.", "Vol.", "vol.", "chap."),
}
_BEFORE_NAMES = ("Dr.", "St.")
"""Before a name they are Doctor and Saint; Drive and Street may end a sentence."""
_WEEKDAYS = ("Mon.", "Tue.", "Tues.", "Wed.", "Thu.", "Thur.", "Thurs.", "Fri.", "Sat.", "Sun.")
_SOMETIMES_LAST = {
    *(short for short in ABBREVIATIONS if short.endswith(".")),
    *(f"{unit}." for unit in UNITS),
    *(f"{month[:3]}." for month in MONTHS),
    *("Sept.", "al.", "ed.", "No.", "no."),
}
"""The sentence goes on behind them with a number or a word in lower case, and else it is over."""
_OF_TIME = {
    *WEEKDAYS,
    *MONTHS,
    *(month[:3] for month in MONTHS),
    *("BST", "CDT", "CEST", "CET", "CST", "CT", "EDT", "EST", "ET", "GMT", "IST", "JST", "MDT", "MST", "MT", "PDT"),
    *("PST", "PT", "UTC", "Central", "Eastern", "Mountain", "Pacific"),
}
"""With these a time of day or a weekday goes on, though they have a capital."""
_FIRST_WORDS = {
    *("A", "After", "All", "Also", "An", "And", "Are", "As", "At", "Before", "But", "By", "Could", "Did", "Do"),
    *("Does", "Each", "Every", "For", "From", "He", "Her", "Here", "His", "How", "However", "I", "If", "In", "Is"),
    *("It", "Its", "Later", "Let", "Many", "Most", "My", "Not", "Now", "On", "One", "Or", "Our", "She", "Since"),
    *("So", "Some", "Soon", "That", "The", "Their", "Then", "There", "These", "They", "This", "Those", "Though"),
    *("To", "Today", "Was", "We", "Were", "What", "When", "Where", "While", "Why", "With", "Would", "Yes", "Yet"),
    *("You", "Your"),
}
"""They begin a sentence, and no name."""
_LETTERED = {
    *("a", "an", "vitamin", "plan", "option", "answer", "part", "section", "group", "type", "class"),
    *("grade", "hepatitis"),
}
"""Behind these, a capital with a point ends the sentence; elsewhere it may be an initial."""


def boundary_behind(word: str, previous: str) -> Boundary | None:
    """Whether a clause may end with `word`, which stands behind `previous`."""
    if word in DASHES:
        return None if _MAY_REACH.fullmatch(previous) else Boundary(False, ",")
    found = ENDING.search(word)
    ending = found.group() if found else ""
    if "?" in ending or "!" in ending:
        return Boundary(True, "?" if "?" in ending else "!")
    if ".." in ending or "…" in ending:
        return Boundary(False, ",")
    if "." in ending:
        stop = _full_stop(word[: len(word) - len(ending)].lstrip(OPENING) + ".", previous)
        mark = first_mark(ending.partition(".")[2])
        return Boundary(mark == ".", mark) if stop and mark else stop
    if "," in ending and re.fullmatch(r"\d{1,2}(?:st|nd|rd|th)?,", word) and re.fullmatch(MONTH, previous):
        return Boundary(False, ",", goes_on=lambda following: following[0].isdigit())
    mark = first_mark(ending)
    return Boundary(False, mark) if mark else None


def _full_stop(word: str, previous: str) -> Boundary | None:
    if word in _NEVER_LAST:
        return None
    if re.fullmatch(r"[A-HJ-Z]\.", word):
        if previous.lower() in _LETTERED:
            return Boundary(True, ".")
        return None if previous[:1].isupper() else Boundary(True, ".", _with_a_name)
    if word in _WEEKDAYS or re.fullmatch(r"[\d:]*[ap]\.m\.", word.lower()):
        return Boundary(True, ".", _with_a_time)
    if word in _BEFORE_NAMES or re.fullmatch(r"(?:[^\W\d_]\.){2,}", word):
        return Boundary(True, ".", _with_a_name)
    if word in _SOMETIMES_LAST or re.fullmatch(r"[a-z]\.", word) or (word == "in." and previous[-1:].isnumeric()):
        return Boundary(True, ".", _without_a_capital)
    return Boundary(True, ".")


def _without_a_capital(following: str) -> bool:
    return following[0].islower() or following[0].isdigit()


def _with_a_time(following: str) -> bool | None:
    return _without_a_capital(following) or _is_one_of(_OF_TIME, following)


def _with_a_name(following: str) -> bool | None:
    if _without_a_capital(following):
        return True
    first = _is_one_of(_FIRST_WORDS, following)
    return None if first is None else not first


def _is_one_of(words: set[str], following: str) -> bool | None:
    """Whether the next word is one of `words`; None while it may become one. An initial ("A.") is none."""
    letters = re.match(r"[^\W\d_]*", following)
    assert letters is not None
    word, rest = letters.group(), following[letters.end() :]
    if not rest:
        return None if any(known.startswith(word) for known in words) else False
    return word in words and not (len(word) == 1 and rest[0] == ".")
