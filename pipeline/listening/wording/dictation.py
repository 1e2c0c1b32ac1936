"""Whether somebody dictates and has not finished: by the form of the words so far and by what was asked. Pure.

People read out numbers, codes, addresses and lists in pieces, with pauses between them that end no turn. Each piece
looks like a complete sentence to a recognizer and to a language model, so that neither can tell.
"""

import re
from collections.abc import Sequence
from enum import Enum, auto
from itertools import takewhile

from pipeline.listening.wording.vocabulary import ALPHABET, DIGITS, FUNCTION_WORDS, MARKS

_TOKEN = re.compile(r"[a-z0-9@.']+(?:-[a-z0-9]+)*", re.IGNORECASE)
_LEAD_IN = re.compile(
    r"^(?:(?:yes|yeah|sure|okay|ok|so|well|right|of course|it's|it is|that's|that is|this is|um+|uh+|the|my|is|"
    r"number|code|one moment|let me see|here)\b[\s,.:]*)+",
    re.IGNORECASE,
)
"""What people say before they begin to dictate."""
_QUESTION = re.compile(
    r"^(?:what|who|whose|where|when|why|how|which|is|are|am|was|were|do|does|did|can|could|will|would|should|may)\b",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(
    r"\b(?:numbers?|codes?|pin|zip|postcode|postal|cards?|account|passwords?|serial|reference|confirmation|booking|"
    r"tracking|licen[sc]e|plate|passport|policy|digits?|phone|telephone|mobile|isbn|iban|cvv|spell\w*|letters?|id|"
    r"(?:call|reach|text|ring) me (?:back )?(?:on|at))\b",
    re.IGNORECASE,
)
"""What is read out piece by piece."""
_PIN_DIGITS = 4
_LENGTHS = {
    r"\b(?:pin|last four|four[- ]digit)\b": _PIN_DIGITS,
    r"\b(?:phone|telephone|mobile|call\w*)\b": 10,
    r"\bcard\b": 16,
    r"\bzip\b": 5,
}
"""Digits from which on an identifier that was asked for is complete; a PIN may have more."""
_ANY_LENGTH = re.compile(
    r"\b(?:codes?|account|serial|reference|confirmation|booking|tracking|order|policy|passport|plate|isbn|iban|id)\b",
    re.IGNORECASE,
)
"""Identifiers that have fewer digits than a telephone number, or more."""
_PHONE_DIGITS = 10
_CARD_DIGITS = 16
_CARD_GROUP = 4
_GROUP_LETTERS = 3
_GROUP_DIGITS = 3
"""Digits that are a group of a longer number where nothing else was said; fewer may be a quantity."""
_STREET = re.compile(
    r"\b\d+\w?\b(?:\W+[\w']+){1,4}?\W+(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|place|"
    r"square|way|terrace|close|crescent|highway|parkway|circle|row)\b",
    re.IGNORECASE,
)
_REGION = re.compile(
    r"\b(?:ala(?:bama|ska)|arizona|arkansas|california|colorado|connecticut|delaware|florida|georgia|hawaii|idaho|"
    r"illinois|indiana|iowa|kansas|kentucky|louisiana|maine|maryland|massachusetts|michigan|minnesota|mississippi|"
    r"missouri|montana|nebraska|nevada|new (?:hampshire|jersey|mexico|york)|(?:north|south) (?:carolina|dakota)|ohio|"
    r"oklahoma|oregon|pennsylvania|rhode island|tennessee|texas|utah|vermont|(?:west )?virginia|washington|wisconsin|"
    r"wyoming|d\.?c|usa?|uk|england|scotland|wales|ireland|canada|australia|\d{5}(?:-\d{4})?|"
    r"[a-z]{1,2}\d\w?\s?\d[a-z]{2})\W*$",
    re.IGNORECASE,
)
"""What an address ends with: a state, a country, or a postal code."""
_ADDRESS_ASKED = re.compile(
    r"\b(?:address|street|deliver\w*|ship\w*|where (?:do|should|shall|can) (?:you live|we|i))\b"
)
_EMAIL_ASKED = re.compile(r"\be-?mail\b", re.IGNORECASE)
_EMAIL_BEGUN = re.compile(r"\be-?mail(?: address)? is\b", re.IGNORECASE)
_EMAIL_ENDS = re.compile(r"(?:@.*\.|\bat\b.*(?:\bdot |\.))(?!co\W*$)[a-z]{2,}\W*$", re.IGNORECASE | re.DOTALL)
"""A domain; after "co" follows "uk"."""
_SPELLED_EMAIL = re.compile(
    r"@|\b\w+ (?:dot|underscore) \w+|\bat (?:g ?mail|yahoo|hotmail|outlook|icloud)\b", re.IGNORECASE
)
_SPELLED_AS = re.compile(r"\b(?:[a-z]{1,3} as in|[a-z] for) \w+\W*$", re.IGNORECASE)
"""A letter and a word that begins with it; recognizers write many letters as the word that sounds the same."""
_LIST_ASKED = re.compile(
    r"\b(?:what (?:else|items|things|ingredients|toppings|names)|anything else|list|"
    r"(?:like|want) to (?:order|add|buy))\b",
    re.IGNORECASE,
)
_LIST_BEGINS = re.compile(
    r"\b(?:i|we)(?:'d like| need| want|'ll (?:have|take)| would like)|\b(?:buy|get me|add|order|bring|pack)\b",
    re.IGNORECASE,
)
_FIRST_ITEM = re.compile(
    r"(?:please |okay |so |and )*(?:(?:i|we) need|buy|get|add|order|bring|pack)(?: some| a| an| two| three)? "
    r"(?!help\b|to\b|you\b|it\b|that\b|this\b|more\b|time\b|advice\b|information\b|out\b|up\b)[\w-]+\W*$",
    re.IGNORECASE,
)
"""A sentence that asks for one thing, as lists begin."""
_ITEM_WORDS = 3
"""Words that an item of a list has at most."""


class Form(Enum):
    """What is dictated."""

    SPELLING = auto()
    """Digits, letters, or words that stand for them."""
    ADDRESS = auto()
    EMAIL = auto()
    LIST = auto()
    FIRST_ITEM = auto()
    """Perhaps the beginning of a list: "I need milk"; as often it is all."""
    COMPLETE = auto()
    """All digits of a number whose length is known, or an e-mail address up to its domain: nothing follows."""


def dictated_form(words: str, asked: str = "") -> Form | None:
    """What is dictated in `words`, what was said so far; None: nothing, or it is not known whether that is all.

    `asked` is what the agent said last: a number that it asked for is read out, and is complete at its length.
    """
    words = words.strip()
    if not words or words.endswith("?") or _QUESTION.match(words):
        return None
    forms = (
        (Form.COMPLETE, _is_complete),
        (Form.SPELLING, _is_spelling),
        (Form.ADDRESS, _is_address),
        (Form.EMAIL, _is_email),
        (Form.LIST, _is_listing),
        (Form.FIRST_ITEM, _is_first_item),
    )
    return next((form for form, is_begun in forms if is_begun(words, asked)), None)


def is_dictating(words: str, asked: str = "") -> bool:
    """Whether `words`, what was said so far, are dictated and may go on, as in `dictated_form`."""
    return dictated_form(words, asked) not in (None, Form.COMPLETE)


def _is_complete(words: str, asked: str) -> bool:
    if _begins_email(words, asked):
        return bool(_EMAIL_ENDS.search(words))
    _, pieces = _spelled(words)
    length = _named_length(words, asked)
    if (length == _PIN_DIGITS and "four" not in asked.lower()) or (
        length is None and _ANY_LENGTH.search(f"{asked} {words}")
    ):
        return False
    return _is_whole(pieces, length)


def _is_spelling(words: str, asked: str) -> bool:
    """Digits, letters and the words that stand for them, as far as the end."""
    if _SPELLED_AS.search(words):
        return True
    tokens, pieces = _spelled(words)
    spelled = len(pieces)
    if not spelled or _is_whole(pieces, _named_length(words, asked)):
        return False
    if _IDENTIFIER.search(asked) or _IDENTIFIER.search(words):
        return True
    named = sum(piece in MARKS for piece in pieces)
    return spelled - named >= 2 or (spelled == len(tokens) and _is_group(pieces[0]))


def _spelled(words: str) -> tuple[list[str], list[str]]:
    """The tokens of `words` without their lead-in, and those at the end that are digits or letters, or named so."""
    tokens = [token.strip(".'") for token in _TOKEN.findall(_LEAD_IN.sub("", words))]
    tokens = [token if _is_acronym(token) else token.lower() for token in tokens if token]
    pieces = list(takewhile(_is_piece, reversed(tokens)))[::-1]
    return tokens, pieces


def _is_piece(token: str) -> bool:
    """Whether `token` is a group of digits or letters, or stands for one."""
    if token in DIGITS or token in ALPHABET or token in MARKS or _is_acronym(token):
        return True
    parts = token.split("-")
    return all(len(part) == 1 or any(map(str.isdigit, part)) for part in parts)


def _is_acronym(token: str) -> bool:
    """Whether a recognizer wrote letters together: "KR"."""
    return token.isalpha() and token.isupper() and 1 < len(token) <= _GROUP_LETTERS


def _is_group(token: str) -> bool:
    """Whether `token` alone is a piece of something longer rather than an answer: "415", "K", "B7", "bravo"."""
    if token in ALPHABET:
        return True
    digits = sum(map(str.isdigit, token))
    if _is_acronym(token):
        return False
    return token not in DIGITS and token not in MARKS and not 0 < digits == len(token) < _GROUP_DIGITS


def _named_length(words: str, asked: str) -> int | None:
    """Digits that the number has which was asked for, or else is named in `words`; None: they name no such number."""
    named = (length for text in (asked, words) for what, length in _LENGTHS.items() if re.search(what, text, re.I))
    return next(named, None)


def _is_whole(pieces: Sequence[str], wanted: int | None) -> bool:
    """Whether as many digits were read out as such a number has; `wanted`, if that is known."""
    if not pieces or any(not (piece.replace("-", "").isdigit() or piece in DIGITS) for piece in pieces):
        return False
    digits = sum(sum(map(str.isdigit, piece)) or 1 for piece in pieces)
    if wanted is None:
        in_fours = len(pieces) > 1 and all(sum(map(str.isdigit, piece)) == _CARD_GROUP for piece in pieces[:2])
        wanted = _CARD_DIGITS if in_fours else _PHONE_DIGITS
    return digits >= wanted


def _is_address(words: str, asked: str) -> bool:
    """A street that is followed by no state, country or postal code."""
    begun = _STREET.search(words) or (_ADDRESS_ASKED.search(asked) and re.match(r"\W*\d", words))
    return bool(begun) and not _REGION.search(words)


def _is_email(words: str, asked: str) -> bool:
    return _begins_email(words, asked) and not _EMAIL_ENDS.search(words)


def _begins_email(words: str, asked: str) -> bool:
    return bool(_SPELLED_EMAIL.search(words) or _EMAIL_ASKED.search(asked) or _EMAIL_BEGUN.search(words))


def _is_listing(words: str, asked: str) -> bool:
    """Short items one after the other, the last one not introduced by an "and"."""
    items = [item.split() for item in re.split(r"[,;!]+|\.+(?=\s|$)", words) if item.strip()]
    if (
        not items
        or _STREET.search(words)
        or any(item[-1].isdigit() for item in items)
        or re.match(r"(?:and\b|or\b|that's\b|thanks?\b|please$)", " ".join(items[-1]).lower())
    ):
        return False
    if re.search(r"\b(?:and|or)\b", " ".join(items[-1]).lower()):
        return False
    if len(items) == 1 and len(items[0]) >= _ITEM_WORDS and items[0][-1].istitle():
        return not any(word.lower() in FUNCTION_WORDS for word in items[0])
    short = 0
    for item in reversed(items):
        if len(item) > _ITEM_WORDS:
            break
        short += 1
    begins = _LIST_BEGINS.search(words) or _LIST_ASKED.search(asked)
    if short >= 2 or (short == 1 and len(items) > 1 and begins):
        return bool(begins) or short >= _ITEM_WORDS
    return bool(_LIST_ASKED.search(asked)) and len(items) == 1 and len(items[0]) <= 2 * _ITEM_WORDS


def _is_first_item(words: str, asked: str) -> bool:
    return bool(_FIRST_ITEM.match(words))
