"""What is said for what is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts.text import MARKS, spoken_words

SAID = {
    # whole numbers, decimals, ranges
    "42": "forty-two",
    "1,000": "one thousand",
    "1,234,567": "one million two hundred thirty-four thousand five hundred sixty-seven",
    "1000000": "one million",
    "007": "zero zero seven",
    "3.14": "three point one four",
    "0.5": "zero point five",
    ".5": "point five",
    "-5": "minus five",
    "−2.5": "minus two point five",
    "10-15": "ten to fifteen",
    "10–15": "ten to fifteen",
    "2.0.1": "two point zero point one",
    "~50": "about fifty",
    "#1": "number one",
    "No. 5": "number five",
    "3:2": "three to two",
    "(12)": "twelve",
    # ordinals, years, decades
    "1st": "first",
    "22nd": "twenty-second",
    "1905": "nineteen oh five",
    "1900": "nineteen hundred",
    "2000": "two thousand",
    "2005": "two thousand five",
    "2024": "twenty twenty-four",
    "1914-1918": "nineteen fourteen to nineteen eighteen",
    "1990s": "nineteen nineties",
    "'80s": "eighties",
    # dates and times
    "March 5": "March fifth",
    "March 5, 2024": "March fifth, twenty twenty-four",
    "Sept. 1st": "September first",
    "5 March 2024": "March fifth, twenty twenty-four",
    "2024-03-05": "March fifth, twenty twenty-four",
    "3/5/2024": "March fifth, twenty twenty-four",
    "10:30": "ten thirty",
    "10:05": "ten oh five",
    "10:00": "ten o'clock",
    "10:30 a.m.": "ten thirty AM",
    "5pm": "five PM",
    "9 AM": "nine AM",
    # money, percent, units
    "$5": "five dollars",
    "$1": "one dollar",
    "$3.50": "three dollars and fifty cents",
    "$0.99": "ninety-nine cents",
    "$5 million": "five million dollars",
    "$2.5B": "two point five billion dollars",
    "€20": "twenty euros",
    "20 €": "twenty euros",
    "£1.01": "one pound and one penny",
    "5%": "five percent",
    "10-15%": "ten to fifteen percent",
    "3.5 %": "three point five percent",
    "25°C": "twenty-five degrees Celsius",
    "-40 °F": "minus forty degrees Fahrenheit",
    "90°": "ninety degrees",
    "1 km": "one kilometer",
    "5km": "five kilometers",
    "60 mph": "sixty miles per hour",
    "120 km/h": "one hundred twenty kilometers per hour",
    "16 GB": "sixteen gigabytes",
    "2.4 GHz": "two point four gigahertz",
    "3x": "three times",
    # fractions
    "1/2": "one half",
    "3/4": "three quarters",
    "2/3": "two thirds",
    "2 1/2": "two and a half",
    "24/7": "twenty-four seven",
    # telephone numbers and other long runs
    "555-1234": "five five five, one two three four",
    "(555) 123-4567": "five five five, one two three, four five six seven",
    "12345678": "one two three four five six seven eight",
    # abbreviations
    "Dr. Smith": "Doctor Smith",
    "Main St. today": "Main Street today",
    "St. Louis": "Saint Louis",
    "e.g. this": "for example this",
    "cats, dogs, etc.": "cats, dogs, et cetera",
    "Cats vs. dogs": "Cats versus dogs",
    "the U.S. army": "the US army",
    "the U.K.'s": "the UK's",
    "J. K. Rowling": "J K Rowling",
    # symbols and mixtures
    "AT&T": "AT and T",
    "2 + 2 = 4": "two plus two equals four",
    "5 - 3": "five minus three",
    "2*3": "two times three",
    "C++": "C plus plus",
    "B2B": "B two B",
    "4K": "four K",
    "and/or": "and or",
    "he/she": "he she",
    "½ cup": "one half cup",
    "snake_case": "snake case",
    "file.txt": "file dot txt",
    "well-known": "well-known",
    "don’t": "don't",
    # Roman numerals
    "World War II": "World War two",
    "Henry VIII": "Henry the eighth",
    "Chapter IV": "Chapter four",
    "I think so": "I think so",
    # addresses
    "https://www.example.com/a/b?c=d#e": "example dot com",
    "www.example.org": "example dot org",
    "bob@mail.com": "bob at mail dot com",
    # marks
    '"Yes," she said.': "Yes, she said.",
    "Well… maybe": "Well, maybe",
    "Well... maybe": "Well, maybe",
    "this (or that), then": "this or that, then",
    "one—two": "one, two",
    "one — two": "one, two",
    "Great! 😀 Next": "Great! Next",
    "Great!😀 Next": "Great! Next",
    "😀": "",
}


@pytest.mark.parametrize("written", SAID)
def test_is_said(written: str) -> None:
    assert " ".join(word.spoken for word in spoken_words(written) if word.spoken) == SAID[written]


def test_what_is_said_as_one_unit_is_one_word() -> None:
    words = spoken_words("It cost $5 million, on March 5, 2024.")
    assert [word.written for word in words] == ["It", "cost", "$5 million,", "on", "March 5, 2024."]


texts = st.text(alphabet=st.sampled_from("aA bI1 2 3,.:-–/$%°#&+€'\"()…— \n?!;kmx½é😀٣")) | st.text()


@given(texts)
def test_nothing_is_lost_or_reordered(text: str) -> None:
    assert " ".join(word.written for word in spoken_words(text)).split() == text.split()


@given(texts)
def test_what_is_spoken_can_be_spoken(text: str) -> None:
    for word in spoken_words(text):
        assert not re.search(rf"[^\w' {re.escape(MARKS)}-]|[\d_]|  |^ | $", word.spoken), word
