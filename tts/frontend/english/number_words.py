"""English number words: cardinals, ordinals, digits, years, fractions."""

import re
from functools import lru_cache

from num2words import num2words

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LARGEST = 15
"""Digits of the longest number that is said as one; longer ones are said digit by digit."""


@lru_cache(maxsize=1024)
def cardinal(number: int) -> str:
    """`number` as a cardinal: 1234 is "one thousand two hundred thirty-four"."""
    return str(num2words(number)).replace(",", "").replace(" and ", " ")


@lru_cache(maxsize=1024)
def ordinal(number: int) -> str:
    """`number` as an ordinal: 22 is "twenty-second"."""
    return str(num2words(number, to="ordinal")).replace(",", "").replace(" and ", " ")


def digits(text: str) -> str:
    """The digits of `text` one by one, without anything that stands between them."""
    return " ".join(DIGITS[int(digit)] for digit in text if digit.isdecimal())


def year(number: int) -> str:
    """`number` as a year: 1905 is "nineteen oh five", 2005 "two thousand five", 2024 "twenty twenty-four"."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def with_point(text: str) -> str:
    """A written number with a decimal point and without digit grouping: "1,000" is "1000", "5,50" is "5.50"."""
    if re.fullmatch(r"\D?\d{1,3}(?:\.\d{3})+,\d\d", text):
        return text.replace(".", "").replace(",", ".")
    if re.fullmatch(r"\D?\d+,(?:\d{1,2}|\d{4,})", text):
        return text.replace(",", ".")
    return text.replace(",", "")


def number(text: str) -> str:
    """A written number in words: "42", "-3.14", "1,000", "1,5", "007", ".5", "2.0.1" (a version)."""
    if text[0] in "-−–":
        return f"minus {number(text[1:])}"
    whole, *parts = with_point(text).split(".")
    if len(parts) > 1:
        return " point ".join(number(part) for part in (whole, *parts))
    spoken = ""
    if whole:
        spoken = digits(whole) if len(whole) > LARGEST or (len(whole) > 1 and whole[0] == "0") else cardinal(int(whole))
    return f"{spoken} point {digits(parts[0])}".strip() if parts else spoken


def plural(count: str, one: str, many: str) -> str:
    """The written number `count` in words, followed by the noun: `one` if it is 1, else `many`."""
    return f"{number(count)} {one if count == '1' else many}"


def fraction(above: int, below: int) -> str:
    """A fraction in words: 2 and 3 are "two thirds"."""
    name = {2: "half" if above == 1 else "halves", 4: "quarter" if above == 1 else "quarters"}.get(
        below, ordinal(below) + ("s" if above != 1 else "")
    )
    return f"{cardinal(above)} {name}"


def roman(numeral: str) -> int:
    """Value of a Roman numeral below 90: "XIV" is 14."""
    values = [{"I": 1, "V": 5, "X": 10, "L": 50}[letter] for letter in numeral]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))
