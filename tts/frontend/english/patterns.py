"""Parts of the rules' regular expressions: numbers, amounts, letters. All are strings without named groups."""

import re
from collections.abc import Iterable

from tts.frontend.english.vocabulary import CURRENCIES, UNITS


def any_of(texts: Iterable[str]) -> str:
    """A pattern that matches any of `texts`, the longest first."""
    return "|".join(sorted(map(re.escape, texts), key=len, reverse=True))


SUPERSCRIPTS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
VULGAR = "¼½¾⅐-⅞"
GREEK = "\u0370-\u03ff\u1f00-\u1fff"
"""These three are for character classes."""
GREEK_LETTER = f"(?<![{GREEK}])[Α-ΡΣ-Ωα-ω](?![{GREEK}])"
"""A Greek letter used as a symbol: the π of "πr", but no letter of "λόγος"."""
LETTER = f"[^\\W\\d_{VULGAR}{SUPERSCRIPTS}{GREEK}]"

SIGN = "[-−–]"
GROUPED = r"\d{1,3}(?:,\d{3})+(?!\d)"
EUROPEAN = r"\d{1,3}(?:\.\d{3})+,\d\d(?!\d)|(?<!,)\d+,(?:\d\d?|\d{4,})(?![\d,])"
"""Numbers with a decimal comma: "1.234,50", "5,50"."""
UNSIGNED = rf"(?:{GROUPED}|{EUROPEAN}|\d+)?(?:(?<=\d)(?:\.\d+)*|\.\d+)"
NUMBER = f"{SIGN}?{UNSIGNED}"

SCALE = "(?:thousand|[mb]illion|trillion|bn|mn|tn|[kKmMbBT])"
UNIT = f"(?:{any_of(UNITS)})"
PER = f"(?:{UNIT}|[a-z]+)"
"""What follows the slash of a rate: the "month" of "$20/month"."""
CURRENCY = f"(?:{any_of(CURRENCIES)})"
CURRENCY_SIGNS = "".join(sign for sign in CURRENCIES if len(sign) == 1)
CLOCK = r"(?:\d{1,2}:[0-5]\d(?: ?[AaPp]\.?[Mm]\b\.?)?|\d{1,2} ?[AaPp]\.?[Mm]\b\.?)"
MONEY = rf"{SIGN}?{CURRENCY}{UNSIGNED}(?:[ -]?{SCALE}(?!\w))?(?:/{PER})?"
MEASURE = rf"{NUMBER}(?:st|nd|rd|th|s| (?:[mb]illion|thousand)| ?{UNIT}(?:/{PER})?)?"
QUANTITY = rf"(?:{CLOCK}|{MONEY}|{MEASURE}|\d*[{VULGAR}])"
"""Anything that may stand at either end of a range."""

ROMAN = r"(?=[IVXL])(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
PRONOUN = r"(?<= I)(?<! War I) (?!(?:of|and|or|is|in|has|to)\b|\w+s\b)[a-z]"
"""Text after an "I" that is the pronoun rather than a numeral: "the Part I read"."""
