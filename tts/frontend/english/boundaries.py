"""Decides after which words a clause may end, and which next words rule that out."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tts.frontend.english.normalization import MONTH
from tts.frontend.english.rules import AFTER, DASHES, OPENING, first_mark
from tts.frontend.english.vocabulary import ABBREVIATIONS, MONTHS, UNITS, WEEKDAYS

Continues = Callable[[str], bool | None]
"""Called with growing prefixes of the next word, and with a space after the whole word. Returns None while the prefix
does not settle the question."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """A place where a clause may end."""

    sentence: bool
    stop: str
    continues: Continues | None = None
    """Whether the clause continues with the next word after all; None if it never does."""


ENDING = re.compile(rf"{AFTER}$")
_MAY_REACH = re.compile(rf".*[\d%]|.*°[CF]?|.*[AaPp]\.?[Mm]\.?|{MONTH}|{'|'.join(WEEKDAYS)}")
"""The lower end of a range whose dash stands between spaces: the "9 AM" of "9 AM – 5 PM"."""
_NEVER_LAST = {
    *("Mr.", "Mrs.", "Ms.", "Prof.", "Gen.", "Sen.", "Rep.", "Gov.", "Pres.", "Capt.", "Col.", "Maj.", "Lt.", "Sgt."),
    *("Adm.", "Rev.", "Hon.", "Mt.", "Ft.", "Apt.", "e.g.", "i.e.", "vs.", "v.", "approx.", "est.", "cf.", "ca."),
    *("Art.", "Ch.", "Eq.", "Fig.", "Figs.", "Nos.", "nos.", "pp.", "Pt.", "Sec.", "Vol.", "vol.", "chap."),
}
_BEFORE_NAMES = ("Dr.", "St.")
"""Doctor and Saint before a name; otherwise Drive and Street, which may end a sentence."""
_WEEKDAYS = ("Mon.", "Tue.", "Tues.", "Wed.", "Thu.", "Thur.", "Thurs.", "Fri.", "Sat.", "Sun.")
_SOMETIMES_LAST = {
    *(short for short in ABBREVIATIONS if short.endswith(".")),
    *(f"{unit}." for unit in UNITS),
    *(f"{month[:3]}." for month in MONTHS),
    *("Sept.", "al.", "ed.", "No.", "no."),
}
"""Abbreviations that end a sentence unless a number or a word in lower case follows."""
_OF_TIME = {
    *WEEKDAYS,
    *MONTHS,
    *(month[:3] for month in MONTHS),
    *("BST", "CDT", "CEST", "CET", "CST", "CT", "EDT", "EST", "ET", "GMT", "IST", "JST", "MDT", "MST", "MT", "PDT"),
    *("PST", "PT", "UTC", "Central", "Eastern", "Mountain", "Pacific"),
}
"""Capitalized words that continue a time of day or a weekday."""
_FIRST_WORDS = {
    *("A", "After", "All", "Also", "An", "And", "Are", "As", "At", "Before", "But", "By", "Could", "Did", "Do"),
    *("Does", "Each", "Every", "For", "From", "He", "Her", "Here", "His", "How", "However", "I", "If", "In", "Is"),
    *("It", "Its", "Later", "Let", "Many", "Most", "My", "Not", "Now", "On", "One", "Or", "Our", "She", "Since"),
    *("So", "Some", "Soon", "That", "The", "Their", "Then", "There", "These", "They", "This", "Those", "Though"),
    *("To", "Today", "Was", "We", "Were", "What", "When", "Where", "While", "Why", "With", "Would", "Yes", "Yet"),
    *("You", "Your"),
}
"""Words that begin a sentence but not a name."""
_LETTERED = {
    *("a", "an", "vitamin", "plan", "option", "answer", "part", "section", "group", "type", "class"),
    *("grade", "hepatitis"),
}
"""Words after which a capital with a full stop ends the sentence; elsewhere it may be an initial."""


def boundary_after(word: str, previous: str) -> Boundary | None:
    """The boundary after `word`, or None if no clause may end there. `previous` is the word before it, "" if none."""
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
        return Boundary(False, ",", continues=lambda following: following[0].isdigit())
    mark = first_mark(ending)
    return Boundary(False, mark) if mark else None


_GLUED = re.compile(r"(?<=[^\W_][.!?])(?=[“(]?[A-Z])|(?<=[^\W_][.!?][\"”)])(?=[\"“(]?[A-Z])")
"""Places where a sentence may end in the middle of a word. A straight quotation mark after the stop closes."""
_CODE_LIKE = re.compile(r"://|^www\.|@|[\\/_<>{}=;]|\w\(\w*\)")


def split_sentences(word: str) -> list[str]:
    """`word` cut where a sentence ends without a space after it: "ended.Then" is "ended." and "Then".

    Addresses, names of files and dotted names in code stay whole: "index.html", "System.Text", "U.S.Army".
    """
    if not re.search(r"[.!?][\"”)]?[\"“(]?[A-Z]", word) or _CODE_LIKE.search(word):
        return [word]
    pieces: list[str] = []
    start = 0
    for cut in _GLUED.finditer(word):
        left, right = word[start : cut.start()], word[cut.start() :]
        if _is_glued(left, right):
            pieces.append(left)
            start = cut.start()
    return [*pieces, word[start:]]


def _is_glued(left: str, right: str) -> bool:
    first = re.match(r"[\"“(]?([A-Z][a-z]*(?:['’][a-z]+)?)(?![\w-]*[A-Z(])", right)
    last = re.search(r"([^\W_]+)([.!?])[\"”)]?$", left)
    if first is None or last is None:
        return False
    word, mark = last[1], last[2]
    if mark in "!?" or first[1] in _FIRST_WORDS or "'" in first[1] or "’" in first[1]:
        return len(word) > 1 or word.isdecimal() or mark in "!?"
    return len(word) > 1 and word.islower() and len(first[1]) > 1


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
    """Whether the next word is one of `words`; None while it may become one. An initial ("A.") does not count."""
    letters = re.match(r"[^\W\d_]*", following)
    assert letters is not None
    word, rest = letters.group(), following[letters.end() :]
    if not rest:
        return None if any(known.startswith(word) for known in words) else False
    return word in words and not (len(word) == 1 and rest[0] == ".")
