"""Converts the front end's IPA to the symbols that Kokoro was trained on, with an American or a British accent."""

import re
from collections.abc import Sequence

MARKS = ",;:.?!"

TOKENS = {
    **{";": 1, ":": 2, ",": 3, ".": 4, "!": 5, "?": 6, " ": 16},
    **{"A": 24, "I": 25, "O": 31, "Q": 33, "T": 36, "W": 39, "Y": 41, "ᵊ": 42},
    **{"a": 43, "b": 44, "d": 46, "f": 48, "h": 50, "i": 51, "j": 52, "k": 53, "l": 54, "m": 55, "n": 56, "p": 58},
    **{"s": 61, "t": 62, "u": 63, "v": 64, "w": 65, "z": 68, "ɑ": 69, "ɒ": 71, "æ": 72, "ɔ": 76, "ð": 81, "ʤ": 82},
    **{"ə": 83, "ɛ": 86, "ɜ": 87, "ɡ": 92, "ɪ": 102, "ŋ": 112, "θ": 119, "ɹ": 123, "ʃ": 131, "ʧ": 133, "ʊ": 135},
    **{"ʌ": 138, "ʒ": 147, "ʔ": 148, "ˈ": 156, "ˌ": 157, "ː": 158, "ᵻ": 177},
}
"""The part of Kokoro's vocabulary that English uses. Marks have the smallest ids."""
PAD = 0
PAUSES = frozenset((PAD, *(TOKENS[mark] for mark in MARKS)))
"""Tokens that sound as silence."""

_VOWEL = "aæɑɒəɐɚɛɜɪiuʊʌɔᵻeoAIOQWY"
_I = ("^(?=aɪ[^ˈˌ]*$)", "ˌ")
"""Adds secondary stress to "I", "I'm" and "I'll", as in Kokoro's training data; without stress it swallows them."""
_BOTH = (_I, ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("eɪ", "A"), ("aɪ", "I"), ("aʊ", "W"), ("ɔɪ", "Y"), ("ɐ", "ə"), ("n̩", "ᵊn"))
_AMERICAN = (
    *_BOTH,
    ("oʊ", "O"),
    ("ʔᵊn", "ʔn"),
    ("əl", "ᵊl"),
    ("ɜːɹ?", "ɜɹ"),
    ("ɚɹ?", "əɹ"),
    ("ː", ""),
    ("ɾ", "T"),
)
_BRITISH = (
    *_BOTH,
    ("oʊ", "Q"),
    ("[ʔɾ]", "t"),
    ("ɜː(?!ɹ)", "ɜːɹ"),
    ("ɚ(?!ɹ)", "əɹ"),
    ("ɚ", "ə"),
    ("ɑː(?!ɹ)", "ɒ"),
    ("ɛɹ", "ɛːɹ"),
    ("ɪɹ", "ɪəɹ"),
    ("ʊɹ", "ʊəɹ"),
    (f"ɹ(?![ˈˌ]?[{_VOWEL}])", ""),
    ("æ", "a"),
    ("ᵻ", "ɪ"),
)
"""Drops every "r" that no vowel follows. American phonemes do not show which words have the vowel of "bath"."""


def accented(sounds: str, british: bool) -> str:
    """Kokoro's symbols for `sounds`, one word's IPA, in a `british` or American accent."""
    for pattern, symbol in _BRITISH if british else _AMERICAN:
        sounds = re.sub(pattern, symbol, sounds)
    return sounds


def token_ids(phonemes: Sequence[str], stop: str, british: bool) -> tuple[list[int], list[tuple[int, int]]]:
    """The tokens of a clause between two pads, and for each word the range of its tokens.

    A mark after a word (", and") is outside its range. Symbols missing from Kokoro's vocabulary are dropped.
    """
    ids = [PAD]
    spans: list[tuple[int, int]] = []
    for word in phonemes:
        if word and len(ids) > 1:
            ids.append(TOKENS[" "])
        sounds = word.rstrip(MARKS)
        first = len(ids)
        ids += [TOKENS[symbol] for symbol in accented(sounds, british) if symbol in TOKENS]
        spans.append((first, len(ids)))
        ids += [TOKENS[mark] for mark in word[len(sounds) :]]
    ids += [TOKENS[mark] for mark in stop]
    return [*ids, PAD], spans
