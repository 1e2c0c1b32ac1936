"""What somebody means who speaks over the agent: to encourage it, to say something, or to silence it. Pure."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from pipeline.listening.wording.vocabulary import JOINERS, POLITE, REMARKS

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_HUM = r"[hmn]*m[hm]*(?:-?[hm]+)*|[aeou]+h+(?:-?[aeouhm]+)*|h+[aeu]+h*m+|h+[aeu]+h+|(?:ha){2,}h*|u+m+|e+r+m*"
"""Sounds that recognizers spell in many ways: mm, mm-hmm, hm, uh-huh, ah, hum, huh, haha, um, er."""
_TRUSTED_WORDS = 3
"""Words of unfinished speech from which it is judged: the last one is cut, and one alone may be a chance."""
_SHORT_WORDS = 10
"""Words of an utterance in which a phrase that stops the agent may stand anywhere: of a longer one it may be a part."""
_SURE_LOGPROB = -0.5
"""Mean log-probability of a token from which words are certain. Of 22 hums in three voices the recognizer made words
at -0.7 or less; of 48 requests to stop in four voices, it was this sure of 33."""
_POSSIBLE_LOGPROB = -0.9
"""The same from which a phrase with which people interrupt is believed."""
_STOP_LOGPROB = -1.8
"""The same from which a phrase that stops the agent is believed: no hum was written as one."""
_JOINED_HUM = r"(?:h+[aeiou]*m+|u+m+|u+h+|m+)"
"""A hum as recognizers write it together with the next word: "Hemstop" for "Hmm, stop"."""
_KEPT_LOGPROB = -0.85
"""The same from which other words are kept. Hums became "at home" at -0.91 and "a high" at -0.97, "two" "2" at -0.8."""
_LAST_WORDS = 6
"""Words of an utterance that asks for silence with its last ones, whatever the recognizer made of those before."""
_MOST_REMARK_WORDS = 5
_ADDRESSED = re.compile(
    r"\b(?:would|do|did|are|have|shall|should|can|may|what|which|where|when|how|who)\b[^.?!]*"
    r"\b(?:you|your|i|we)\b[^.?!]*\?\s*$",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:don't|do not|can't|cannot|couldn't|won't|never|not) (?:ever )?(?:stop|wait|pause)\w*")
"""What asks the agent to go on with the words that would stop it."""
_EXCLAMATION = re.compile(r"(?:oh )?what an? [\w'-]+(?: [\w'-]+)?$")
_QUESTION = re.compile(r"(?:what|when|where|why|how|who|which|is|are|does|did)\b")
_RHETORICAL = re.compile(r"\b(?:do|did) you know\b|\bhave you ever\b|\bguess\b", re.IGNORECASE)


class Meaning(Enum):
    """What speech over the agent's voice is."""

    NOTHING = auto()
    """No words: a cough, a hum."""
    BACKCHANNEL = auto()
    """Words that encourage the agent to go on."""
    ASIDE = auto()
    """Other words, of which it is not certain that they were said; the agent keeps them and goes on."""
    TURN = auto()
    """Words that take the floor."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases of the settings, in lower case."""

    backchannels: Collection[str]
    """Phrases that encourage a speaker to continue."""
    interruptions: Collection[str]
    """Phrases with which people begin who want the floor."""
    stops: Collection[str]
    """Phrases that ask for silence wherever they stand in a short utterance."""


@dataclass(frozen=True, slots=True)
class OverheardWords:
    """What the recognizer made of speech over the agent's voice."""

    text: str
    logprob: float
    """Mean log-probability of a token, natural logarithm."""
    doubted: bool = False
    """Whether the recognizer holds it for likelier that nobody spoke."""
    going_on: bool = False
    """Whether the speech goes on: then the last word is cut, and not trusted."""


def meaning(heard: OverheardWords, phrases: Phrases, said: str = "") -> Meaning:
    """What `heard` means, said over an answer of which `said` was played by then."""
    words = _separated(_words(heard.text), phrases.stops)
    if heard.going_on:
        if _is_remark(words, heard.text) or not _rest(words, phrases.backchannels):
            return Meaning.BACKCHANNEL if words and not heard.doubted else Meaning.NOTHING
        may_be = heard.logprob >= _KEPT_LOGPROB and not heard.doubted
        may_stop = heard.logprob >= _STOP_LOGPROB and _contains(" ".join(words), phrases.stops)
        words = words[:-1] if len(words) >= _TRUSTED_WORDS else []
        if not _rest(words, phrases.backchannels):
            return Meaning.ASIDE if may_be or may_stop else Meaning.NOTHING
    if not words:
        return Meaning.NOTHING
    rest = _rest(words, phrases.backchannels)
    stops = len(words) <= _SHORT_WORDS and _contains(_NEGATED.sub("", " ".join(rest)), phrases.stops)
    if stops and heard.logprob >= _STOP_LOGPROB:
        return Meaning.TURN
    if heard.doubted:
        return Meaning.NOTHING
    sure = heard.logprob >= _SURE_LOGPROB
    if not rest or _is_remark(words, heard.text):
        answers = sure and not _are_hums(words) and is_asking(said)
        return Meaning.TURN if answers else Meaning.BACKCHANNEL
    if sure or (heard.logprob >= _POSSIBLE_LOGPROB and _begins(rest, phrases.interruptions)):
        return Meaning.TURN
    return Meaning.ASIDE if heard.logprob >= _KEPT_LOGPROB else Meaning.NOTHING


def has_words(text: str) -> bool:
    """Whether there is anything but hums in `text`."""
    return not _are_hums(_words(text))


def asks_for_silence(text: str, phrases: Phrases) -> bool:
    """Whether `text` asks the agent to stop, and for nothing else."""
    said = _NEGATED.sub("", " ".join(_separated(_words(text), phrases.stops)))
    if not _contains(said, phrases.stops):
        return False
    if all(word in POLITE or word in REMARKS for word in _without(said, phrases.stops)):
        return True
    # "Alright, alright, stop" may come out as "I'll write or write stop".
    last = re.search(rf"\b(?:{_any(phrases.stops)})((?: [\w'-]+)*)$", said)
    is_short = len(said.split()) <= _LAST_WORDS and not _QUESTION.match(said)
    return is_short and last is not None and all(word in POLITE for word in last[1].split())


def is_asking(said: str) -> bool:
    """Whether the last sentence of `said` is a question to the listener."""
    question = _ADDRESSED.search(said)
    return question is not None and not _RHETORICAL.search(question[0])


def _separated(words: Sequence[str], stops: Collection[str]) -> list[str]:
    """`words`, with a stop that is written together with a hum before it as a word of its own."""
    joined = re.compile(rf"{_JOINED_HUM}({_any([stop for stop in stops if ' ' not in stop])})(?:p?er|s)?")
    return [found[1] if (found := joined.fullmatch(word)) else word for word in words]


def _rest(words: Sequence[str], backchannels: Collection[str]) -> list[str]:
    """The words left after hums and backchannels at the beginning are taken away."""
    phrases = "|".join([*map(re.escape, sorted(backchannels, key=len, reverse=True)), _HUM])
    return re.sub(rf"^(?:(?:{phrases})(?:\s|$))*", "", " ".join(words)).split()


def _is_remark(words: Sequence[str], text: str) -> bool:
    """Whether these few words only evaluate or acknowledge: "nice one", "no wonder", "how interesting"."""
    said = " ".join(words)
    if _NEGATED.search(said) or _EXCLAMATION.match(said):
        return True
    if (
        len(words) > _MOST_REMARK_WORDS
        or (len(words) > 1 and text.rstrip().endswith("?"))
        or said.startswith("no thank")
    ):
        return False
    return any(word in REMARKS for word in words) and all(word in REMARKS or word in JOINERS for word in words)


def _are_hums(words: Sequence[str]) -> bool:
    return all(re.fullmatch(_HUM, word) for word in words)


def _begins(words: Sequence[str], phrases: Collection[str]) -> bool:
    return bool(phrases) and re.match(rf"(?:{_any(phrases)})(?:\s|$)", " ".join(words)) is not None


def _contains(text: str, phrases: Collection[str]) -> bool:
    return bool(phrases) and re.search(rf"(?:^|\s)(?:{_any(phrases)})(?:\s|$)", text) is not None


def _without(text: str, phrases: Collection[str]) -> list[str]:
    text = f" {text} "
    while (shorter := re.sub(rf"\s(?:{_any(phrases)})\s", " ", text)) != text:
        text = shorter
    return text.split()


def _any(phrases: Collection[str]) -> str:
    return "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'"))
