"""Converts English words to phonemes, in espeak's IPA because Piper's voices were trained on it."""

import base64
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from string import ascii_lowercase
from threading import Lock
from typing import Protocol

import pycrfsuite

MARKS = ",;:.?!"
VOWELS = tuple("aeiouæɐɑɔəɚɛɜɪʊʌᵻ")
STRESS = "ˈˌ"


class Phonemizer(Protocol):
    """Converts the words of a clause to phonemes. Shared by all conversations and thread-safe."""

    def __call__(self, words: Sequence[str], stop: str) -> list[str]:
        """Return one string of IPA for each of `words`, in order.

        An item that consists of several words ("five million dollars") has spaces between their phonemes. An item that
        ends in a mark ("Paris," inside a clause) has the mark after its phonemes. `stop` is the mark that closes the
        clause.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Token:
    unit: int
    """Index of the word that the token belongs to."""
    text: str
    mark: str


class EnglishPhonemizer:
    """American English phonemes from a lexicon, a CRF for words missing from it, and rules for connected speech."""

    def __init__(self) -> None:
        self._pronounce = lru_cache(maxsize=8192)(Lexicon().pronounce)

    def __call__(self, words: Sequence[str], stop: str) -> list[str]:
        tokens = [token for unit, word in enumerate(words) for token in _tokens(unit, word)]
        spoken: list[list[str]] = [[] for _ in words]
        following = ""
        # From the end, because a word's pronunciation depends on the first phoneme of the next word.
        for i in reversed(range(len(tokens))):
            token = tokens[i]
            if token.mark:
                following = ""
            before = tokens[i - 1].text.lower() if i and not tokens[i - 1].mark else ""
            sounds = self._connected(token.text, before, following)
            if following.startswith(VOWELS) and sounds.endswith(("ɚ", "ɜː")):
                sounds += "ɹ"
            if sounds or token.mark:
                spoken[token.unit].insert(0, sounds + token.mark)
            following = sounds.lstrip(STRESS)
        return [" ".join(sounds) for sounds in spoken]

    def _connected(self, text: str, before: str, following: str) -> str:
        """Phonemes of a word after the word `before` and before the phonemes `following`, both "" at a pause."""
        word = text.lower()
        if text == "A" and (before or not following):
            return "ˈeɪ"
        if word == "the":
            return "ðɪ" if following.startswith(VOWELS) else "ðə"
        if word == "to" and following:
            return "tʊ" if following.startswith(VOWELS) else "tə"
        if word in ("it", "at") and following.startswith(VOWELS):
            return self._pronounce(word).replace("t", "ɾ")
        if not following and word in STRONG:
            return STRONG[word]
        for cues, variants in HETERONYMS:
            if word in variants and before in cues:
                return variants[word]
        return self._pronounce(text)


class Lexicon:
    """Pronunciations of single words: 124,000 entries, their regular inflections, and a CRF's guess at all others.

    Lexicon and CRF are data of the package gruut-lang-en (MIT).
    """

    def __init__(self) -> None:
        data = files("gruut_lang_en").joinpath("espeak")
        path = data.joinpath("lexicon.db")
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
            self._sounds: dict[str, str] = dict(
                database.execute("SELECT word, phonemes FROM word_phonemes WHERE pron_order = 0")
            )
        self._tagger = pycrfsuite.Tagger()
        self._tagger.open(str(data.joinpath("g2p", "model.crf")))
        self._tagger_lock = Lock()

    def pronounce(self, word: str) -> str:
        """IPA of one written word; "" if it contains no letter."""
        letters = "".join(filter(str.isalpha, word.removesuffix("'s")))
        if self._is_spelled(word, letters):
            sounds = spell(letters.removesuffix("s")) if letters.endswith("s") else spell(letters)
            return _with_s(sounds) if word.endswith("s") else sounds
        lower = word.lower()
        return self._known(lower) or self._mixed(word) or self._compound(lower) or self._guess(lower)

    def _is_spelled(self, word: str, letters: str) -> bool:
        """Whether `word` is spelled out: "U.S.", "FBI", "GPUs"."""
        if "." in word and re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]?(?:'?s)?", word):
            return True
        capitals = letters.removesuffix("s")
        if not (2 <= len(capitals) <= 5 and capitals.isupper()) or ("'" in word and word.lower() in self._sounds):
            return False
        key = capitals.lower()
        return key not in SHOUTED if len(key) < 4 else key not in self._sounds and key not in CORRECTIONS

    def _known(self, word: str) -> str:
        """IPA of `word` if it is in the lexicon or a regular inflection of an entry, else ""."""
        if word in CORRECTIONS:
            return CORRECTIONS[word]
        if word in self._sounds:
            return _tidy(word, self._sounds[word])
        for ending, stems, inflect in INFLECTIONS:
            if word.endswith(ending):
                for stem in stems(word.removesuffix(ending)):
                    if len(stem) > 2 and (stem in self._sounds or stem in CORRECTIONS):
                        return inflect(self._known(stem))
        return ""

    def _mixed(self, word: str) -> str:
        """IPA of a word in mixed case, part by part ("ChatGPT", "OpenAI", "mRNA"); "" for any other word."""
        parts = re.split(r"(?<=[a-z])(?=[A-Z])", word)
        return "".join(map(self.pronounce, parts)) if len(parts) > 1 else ""

    def _compound(self, word: str) -> str:
        """IPA of a compound ("well-known", and unhyphenated ones too new for the lexicon: "blockchain"), else ""."""
        parts = [part for part in re.split(r"[^\w']|_", word) if part]
        if len(parts) > 1:
            return "".join(map(self.pronounce, parts))
        for cut in range(len(word) - 3, 2, -1):
            if len(word) > 6 and word[:cut] in self._sounds and word[cut:] in self._sounds:
                return self._known(word[:cut]) + self._known(word[cut:]).replace("ˈ", "ˌ")
        return ""

    def _guess(self, word: str) -> str:
        plain = "".join(c for c in unicodedata.normalize("NFKD", word) if c.isascii() and (c.isalpha() or c == "'"))
        plain = plain.strip("'")
        if plain and plain != word:
            return self.pronounce(plain)
        if not set(word) & set("aeiouy"):
            return spell(word)
        with self._tagger_lock:
            labels = self._tagger.tag([_features(word, i) for i in range(len(word))])
        sounds = "".join(base64.b64decode(label).decode() for label in labels)
        return _stressed(_tidy(word, sounds.replace("_", "").replace("|", "")))


def spell(letters: str) -> str:
    """IPA of the names of `letters`, with the main stress on the last one."""
    names = [LETTERS[letter] for letter in letters.lower() if letter in LETTERS]
    return "".join([*(name.replace("ˈ", "ˌ") for name in names[:-1]), *names[-1:]])


def _tokens(unit: int, word: str) -> list[_Token]:
    tokens: list[_Token] = []
    for text in word.replace("’", "'").split():
        bare = text.rstrip(MARKS)
        # The last full stop of "U.S." belongs to the word.
        if "." in bare and text[len(bare) :].startswith("."):
            bare += "."
        tokens.append(_Token(unit, bare.strip('"“”()[]'), text[len(bare) :][:1]))
    return tokens


def _features(word: str, i: int) -> list[str]:
    """The features that the CRF was trained on: the letter, three letters on either side, and the word's ends."""
    features = ["bias", f"grapheme:{_encoded(word[i])}"]
    for distance in range(-3, 4):
        if distance and 0 <= i + distance < len(word):
            features.append(f"grapheme{distance:+}:{_encoded(word[i + distance])}")
    if i == 0:
        features.append("begin")
    if i == len(word) - 1:
        features.append("end")
    return features


def _encoded(letter: str) -> str:
    return base64.b64encode(letter.encode()).decode()


def _tidy(word: str, sounds: str) -> str:
    """A pronunciation from the lexicon, corrected for a word on its own: its entries assume that a "g" follows."""
    sounds = sounds.replace(" ", "")
    for old, new in SYMBOLS:
        sounds = sounds.replace(old, new)
    if sounds.endswith("ŋ") and word.rstrip("'e")[-1:] == "n":
        sounds = sounds[:-1] + "n"
    if sounds.endswith("ɚɹ"):
        return sounds[:-1]
    return re.sub(r"(?<=[bdfkpstvzθʃɡɾ])ɹ$", "ɚ", sounds)


def _stressed(sounds: str) -> str:
    """`sounds` with one main stress: the last main stress, else the first secondary stress, else the first vowel."""
    if "ˈ" in sounds:
        before, after = sounds.rsplit("ˈ", 1)
        return before.replace("ˈ", "ˌ") + "ˈ" + after
    if "ˌ" in sounds:
        return sounds.replace("ˌ", "ˈ", 1)
    return re.sub(f"([{''.join(VOWELS)}])", r"ˈ\1", sounds, count=1)


def _with_s(sounds: str) -> str:
    if sounds.endswith(("s", "z", "ʃ", "ʒ")):
        return sounds + "ᵻz"
    return sounds + ("s" if sounds.endswith(("p", "t", "k", "f", "θ")) else "z")


def _with_ed(sounds: str) -> str:
    if sounds.endswith(("t", "d")):
        return sounds + "ᵻd"
    return sounds + ("t" if sounds.endswith(("p", "k", "f", "θ", "s", "ʃ")) else "d")


def _with(ending: str) -> Callable[[str], str]:
    return lambda sounds: sounds + ("ɹ" if sounds.endswith("ɚ") and ending.startswith(VOWELS) else "") + ending


def _verb_stems(stem: str) -> tuple[str, ...]:
    """Stems that may precede -ed, -ing and -er: tag(g), bak(e), play."""
    return (stem[:-1], stem) if stem[-1:] == stem[-2:-1] else (stem, stem + "e")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


INFLECTIONS: tuple[tuple[str, Callable[[str], tuple[str, ...]], Callable[[str], str]], ...] = (
    ("'s", lambda stem: (stem,), _with_s),
    ("s'", lambda stem: (stem,), _with_s),
    ("ies", lambda stem: (stem + "y",), _with_s),
    ("es", lambda stem: (stem, stem + "e"), _with_s),
    ("s", lambda stem: (stem,), _with_s),
    ("ied", lambda stem: (stem + "y",), _with_ed),
    ("ed", _verb_stems, _with_ed),
    ("ing", _verb_stems, _with("ɪŋ")),
    ("er", _verb_stems, _with("ɚ")),
    ("lly", lambda stem: (stem + "l",), _with("i")),
    ("ly", lambda stem: (stem,), _with("li")),
    ("ness", lambda stem: (stem,), _with("nəs")),
    ("less", lambda stem: (stem,), _with("ləs")),
)
"""Each ending with a function that returns its possible stems and one that appends its phonemes."""

SYMBOLS = (
    ("oː", "ɔː"),
    ("ʲ", ""),
    ("ɬ", "l"),
    ("r", "ɹ"),
    ("ɪɾi", "ᵻɾi"),
)
"""Replacements for symbols of an older espeak and for symbols that are rare in the voices' training data."""

_NAMES = (
    "ˈeɪ bˈiː sˈiː dˈiː ˈiː ˈɛf dʒˈiː ˈeɪtʃ ˈaɪ dʒˈeɪ kˈeɪ ˈɛl ˈɛm "
    "ˈɛn ˈoʊ pˈiː kjˈuː ˈɑːɹ ˈɛs tˈiː jˈuː vˈiː dˈʌbəljˌuː ˈɛks wˈaɪ zˈiː"
)
LETTERS = dict(zip(ascii_lowercase, _NAMES.split(), strict=True))

SHOUTED = _set(
    "no yes not the and you all now new one two but can so do go big is if of to on in or be my we he up by as an "
    "tip fun key top why how who his her him she our out off was are has had did get got let may any day way use run "
    "see say too own old bad hot low few far ask try end yet ago ten six for man men boy win war car per via ram rom "
    "pin gif sim zip"
)
"""Short words and acronyms that are said as words in capitals; others are spelled out."""

CORRECTIONS = {
    "i": "aɪ",
    "at": "æt",
    "it": "ɪt",
    "to": "tˈuː",
    "when": "wɛn",
    "live": "lˈɪv",
    "use": "jˈuːz",
    "ok": "oʊkˈeɪ",
    "covid": "kˈoʊvɪd",
    "cuda": "kˈuːdə",
    "gif": "ɡˈɪf",
    "linkedin": "lˈɪŋktɪn",
    "py": "pˈaɪ",
    "jpeg": "dʒˈeɪpɛɡ",
    "hmm": "hˈəm",
    "mm": "ˈəm",
}
"""Words that the lexicon lacks, or has with a pronunciation that fits only some contexts."""

STRONG = {
    "a": "ˈeɪ",
    "that": "ðˈæt",
    "is": "ˈɪz",
    "are": "ˈɑːɹ",
    "was": "wˈʌz",
    "can": "kˈæn",
    "do": "dˈuː",
    "you": "jˈuː",
}
"""Strong forms of function words, used before a pause."""

_TO_DO = _set(
    "to will would can could should must may might shall do does did don't doesn't didn't can't won't cannot not "
    "i you we they who let's please i'll you'll we'll they'll i'd you'd we'd they'd and then"
)
_NAMED = _set("a an the this that its his her my your our their no any some every of in for")
_DONE = _set("have has had i've you've we've they've was were been be is are")

HETERONYMS: tuple[tuple[frozenset[str], dict[str, str]], ...] = (
    (
        _TO_DO,
        {
            "record": "ɹᵻkˈɔːɹd",
            "present": "pɹizˈɛnt",
            "object": "əbdʒˈɛkt",
            "produce": "pɹədˈuːs",
            "project": "pɹədʒˈɛkt",
            "contract": "kəntɹˈækt",
            "conduct": "kəndˈʌkt",
            "permit": "pɚmˈɪt",
            "refuse": "ɹᵻfjˈuːz",
            "desert": "dɪzˈɜːt",
            "subject": "səbdʒˈɛkt",
            "perfect": "pɚfˈɛkt",
            "separate": "sˈɛpɚɹˌeɪt",
            "estimate": "ˈɛstᵻmˌeɪt",
            "graduate": "ɡɹˈædʒuːˌeɪt",
            "close": "klˈoʊz",
            "house": "hˈaʊz",
            "excuse": "ɛkskjˈuːz",
        },
    ),
    (_NAMED, {"use": "jˈuːs", "live": "lˈaɪv", "close": "klˈoʊs"}),
    (_DONE, {"read": "ɹˈɛd"}),
)
"""Pronunciations of words with several, by the words that may precede them."""
