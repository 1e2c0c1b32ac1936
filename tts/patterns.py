"""Regular expressions for what rules are made of: numbers, amounts, letters. All are strings, without named groups."""

import re
from collections.abc import Iterable

from tts.vocabulary import CURRENCIES, UNITS


def any_of(texts: Iterable[str]) -> str:
    """A pattern for any of `texts`, the longest first."""
    return "|".join(sorted(map(re.escape, texts), key=len, reverse=True))


SUPERSCRIPTS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
VULGAR = "¼½¾⅐-⅞"
GREEK = "\u0370-\u03ff\u1f00-\u1fff"
"""These are for a class."""
GREEK_LETTER = f"(?<![{GREEK}])[Α-ΡΣ-Ωα-ω](?![{GREEK}])"
"""One that stands for itself: πr, but not λόγος."""
LETTER = f"[^\\W\\d_{VULGAR}{SUPERSCRIPTS}{GREEK}]"

SIGN = "[-−–]"
GROUPED = r"\d{1,3}(?:,\d{3})+(?!\d)"
EUROPEAN = r"\d{1,3}(?:\.\d{3})+,\d\d(?!\d)|(?<!,)\d+,(?:\d\d?|\d{4,})(?![\d,])"
"""1.234,50 or 5,50, in which the comma is a point."""
UNSIGNED = rf"(?:{GROUPED}|{EUROPEAN}|\d+)?(?:(?<=\d)(?:\.\d+)*|\.\d+)"
NUMBER = f"{SIGN}?{UNSIGNED}"

SCALE = "(?:thousand|[mb]illion|trillion|bn|mn|tn|[kKmMbBT])"
UNIT = f"(?:{any_of(UNITS)})"
PER = f"(?:{UNIT}|[a-z]+)"
"""The month of $20/month."""
CURRENCY = f"(?:{any_of(CURRENCIES)})"
CURRENCY_SIGNS = "".join(sign for sign in CURRENCIES if len(sign) == 1)
CLOCK = r"(?:\d{1,2}:[0-5]\d(?: ?[AaPp]\.?[Mm]\b\.?)?|\d{1,2} ?[AaPp]\.?[Mm]\b\.?)"
MONEY = rf"{SIGN}?{CURRENCY}{UNSIGNED}(?:[ -]?{SCALE}(?!\w))?(?:/{PER})?"
MEASURE = rf"{NUMBER}(?:st|nd|rd|th|s| (?:[mb]illion|thousand)| ?{UNIT}(?:/{PER})?)?"
QUANTITY = rf"(?:{CLOCK}|{MONEY}|{MEASURE}|\d*[{VULGAR}])"
"""Whatever there may be a range of."""

ROMAN = r"(?=[IVXL])(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
PRONOUN = r"(?<= I)(?<! War I) (?!(?:of|and|or|is|in|has|to)\b|\w+s\b)[a-z]"
"""Where this follows, I was no numeral: the Part I read."""
