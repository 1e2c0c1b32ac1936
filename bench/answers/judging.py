"""Rules that decide whether an answer is right. They are strict: only an answer that commits itself counts.

A rule reads what the agent said and the question. Sentences that end in a question mark never count: a question that
is restated is not answered. Neither does an answer that says it does not know ("I don't know, Paris"), only considers
something ("It could be 41. It could be 42.") or takes it back ("Paris. No, wait.").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from bench.conversations.questions import is_right, located_numbers, numbers_in


class Rule(Protocol):
    """Decides about one answer."""

    def holds(self, said: str, question: str) -> bool:
        """Whether `said` answers `question` rightly."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """The answer names one of `accepted`, and nothing else that could be meant.

    A name counts unless it is negated ("not Paris", "Paris is wrong"), compared with ("than Paris"), or one of a list
    ("Paris or Rome"). A rival that the question does not mention makes an answer wrong. Where the question mentions the
    rivals, as in "Who is taller, Mary or Susan?", the first name of the conclusion counts; where it mentions only
    others, as in "Which month is before May?", those are no answer.
    """

    accepted: tuple[str, ...]
    rivals: tuple[str, ...] = ()
    opposites: tuple[str, ...] = ()
    """What the answer must not say of the name, as "shorter" where the taller one is asked for."""
    predicate: str = ""
    """What the question says of the answer in a negative way, as "not a fruit". An answer may repeat it."""

    def holds(self, said: str, question: str) -> bool:
        text = _statements(said, question)
        if self.predicate:
            text = text.replace("isn't", "is not").replace(f" is {self.predicate.lower()}", "")
        names = [name for name in _mentions(text, (*self.accepted, *self.rivals)) if name.is_affirmed]
        if not names:
            return False
        asked = {name.word for name in _mentions(question.lower(), self.rivals)}
        accepted = {name.lower() for name in self.accepted}
        if any(name.word not in accepted | asked for name in names):
            return False
        if not any(name.lower() in question.lower() for name in self.accepted):
            # No choice between names: what is before February is not February.
            names = [name for name in names if name.word not in asked]
        if not names or (not asked and any(name.is_listed for name in names)):
            return False
        conclusion = max((found.end() for found in _CONCLUSION.finditer(text)), default=0)
        decisive = [name for name in names if name.start >= conclusion] or names
        answer = decisive[0]
        if answer.word not in accepted or answer.is_listed or not _is_committed(text, after=answer.end):
            return False
        said_of_it = re.split(r"[,.;:!]\s", text[answer.end :])[0]
        return not any(re.search(rf"\b{re.escape(opposite)}\b", said_of_it) for opposite in self.opposites)


@dataclass(frozen=True, slots=True)
class Number:
    """The answer's last number that the question does not contain is `value`; in one of `units`, if it has a unit.

    Worked steps may precede it. Alternatives ("42 or 43", "between 40 and 42"), bounds and estimates ("about 42", "42
    or more"), "not 42" and "42 is wrong" are wrong.
    """

    value: float
    units: tuple[str, ...] = ()

    def holds(self, said: str, question: str) -> bool:
        text = _PRONOUN.sub(" ", _CLOCK.sub(r"\1", _statements(said, question)))
        given, numbers = set(numbers_in(question)), located_numbers(text)
        new = [number for number in numbers if number.value not in given]
        if not new or new[-1].value != self.value:
            return False
        last = new[-1]
        if not _is_committed(text, after=last.end):
            return False
        if _ESTIMATED_BEFORE.search(text[: last.start]) or _ESTIMATED_AFTER.match(text[last.end :]):
            return False
        for one, other in pairwise(numbers):
            between = text[one.end : other.start]
            if last in (one, other) and one.value != other.value and _ALTERNATIVE.fullmatch(between):
                return False
        unit = _WORD.match(text[last.end :].lstrip(" -"))
        wrong_unit = bool(self.units) and unit is not None and unit.group() in _UNITS - set(self.units)
        return not wrong_unit and _Mention(str(last.value), text, last.start, last.end).is_affirmed


@dataclass(frozen=True, slots=True)
class YesOrNo:
    """The answer begins a sentence with "yes" or "no", and never with the other one."""

    answer: str

    def holds(self, said: str, question: str) -> bool:
        text = _statements(said, question)
        found = {next(filter(None, match.groups())) for match in _TRUTH.finditer(text)}
        return found == {self.answer} and not _BOTH.search(text) and _is_committed(text, after=len(text))


@dataclass(frozen=True, slots=True)
class Exactly:
    """The answer consists of these words; case and punctuation do not matter."""

    text: str

    def holds(self, said: str, question: str) -> bool:
        return _words(said) == _words(self.text)


@dataclass(frozen=True, slots=True)
class InWords:
    """The answer has exactly `count` words and obeys another rule, if there is one."""

    count: int
    rule: Rule | None = None

    def holds(self, said: str, question: str) -> bool:
        right = self.rule is None or self.rule.holds(said, question)
        return right and len(_words(said)) == self.count and "?" not in said


@dataclass(frozen=True, slots=True)
class InOrder:
    """The answer consists of these numbers, in this order; "and" between them does not matter."""

    values: tuple[float, ...]

    def holds(self, said: str, question: str) -> bool:
        text = re.sub(r"[,.\s]+(?:and )?(?!\d*\.\d)", " ; ", said.lower())
        numbers = located_numbers(text)
        for number in reversed(numbers):
            text = text[: number.start] + text[number.end :]
        return tuple(number.value for number in numbers) == self.values and not _words(text)


@dataclass(frozen=True, slots=True)
class Spelled:
    """The answer spells `word`: its letters one by one, in any case and with any separators."""

    word: str

    def holds(self, said: str, question: str) -> bool:
        letters = re.findall(r"(?<![\w'])[a-z](?![\w'])", said.lower())
        return "".join(letters) == self.word.lower()


@dataclass(frozen=True, slots=True)
class Members:
    """The answer lists exactly `count` members of a set, each once, and nothing else."""

    members: tuple[str, ...]
    count: int

    def holds(self, said: str, question: str) -> bool:
        text = _statements(said)
        names = [name.word for name in _mentions(text, self.members) if name.is_affirmed]
        listed = [part for part in _SEPARATOR.split(text.split(":")[-1]) if _words(part)]
        return len(names) == len(set(names)) == len(listed) == self.count


@dataclass(frozen=True, slots=True)
class InWordsOfPeople:
    """The answer is a sentence that can be spoken, not JSON, does not refuse, and has no number that was not given."""

    def holds(self, said: str, question: str) -> bool:
        text = _statements(said, question)
        refuses = re.search(r"[{}\[\]<>]|\b(?:sorry|cannot|can't|couldn't|unable|failed)\b", said.lower())
        numbers = set(numbers_in(_PRONOUN.sub(" ", text)))
        return bool(_words(text)) and not refuses and numbers <= set(numbers_in(question))


@dataclass(frozen=True, slots=True)
class Published:
    """The rule with which the published sets of questions are scored."""

    answer: str

    def holds(self, said: str, question: str) -> bool:
        return is_right(self.answer, said)


@dataclass(frozen=True, slots=True)
class _Mention:
    """A word of a text and its surroundings."""

    word: str
    text: str
    start: int
    end: int

    @property
    def is_affirmed(self) -> bool:
        before, after = self.text[: self.start], self.text[self.end :]
        clause = re.split(r"[,.;:!]\s", before)[-1]
        sentence = re.split(r"[.!]\s", before)[-1] + re.split(r"[.!]\s", after)[0]
        return not (_NEGATED_BEFORE.search(clause) or _NEGATED_AFTER.match(after) or _DENIED.search(sentence))

    @property
    def is_listed(self) -> bool:
        before, after = self.text[: self.start], self.text[self.end :]
        amid = before.endswith(", ") and _LAST_OF_LIST.match(after)
        return bool(amid or _LISTED_BEFORE.search(before) or _LISTED_AFTER.match(after))


def _statements(said: str, question: str = "") -> str:
    """The sentences of `said` that are neither questions nor repeat `question`, in lower case."""
    text, asked = said.lower().replace("\u2019", "'"), " ".join(_words(question))
    sentences = re.split(r"(?<=[.!?])\s+", text)
    return " ".join(said for said in sentences if not said.endswith("?") and not _repeats(said, asked))


def _is_committed(text: str, after: int) -> bool:
    """Whether `text` answers without a doubt, and takes nothing back from the position `after` on."""
    return not (_DOUBT.search(text) or _RETRACTED.search(text, after))


def _repeats(sentence: str, asked: str) -> bool:
    """Whether `sentence` is a part of the question. Short ones, as in "Rome.", may be its answer."""
    words = _words(sentence)
    return len(words) >= _ECHO_WORDS and " ".join(words) in asked


def _words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text.lower().replace("\u2019", "'"))


def _mentions(text: str, names: tuple[str, ...]) -> Iterator[_Mention]:
    """Mentions of `names` in a text in lower case, in its order; of names within each other the longest."""
    longest = sorted({name.lower() for name in names}, key=len, reverse=True)
    if longest:
        for found in re.finditer(rf"\b(?:{'|'.join(map(re.escape, longest))})\b", text):
            yield _Mention(found.group(), text, *found.span())


_NEGATED_BEFORE = re.compile(
    r"(?:\bnot|n't|\bnever|\bneither|\bnor|\brather than|\binstead of|\bexcept)(?: (?!only\b|but\b)[\w'-]+){0,3} $"
    r"|\bthan (?:an? |the )?$|\bno $"
)
_NEGATED_AFTER = re.compile(
    r" (?:(?:is|was|are|were|does|do|did|has|can|could|will|would|should)(?: not\b|n't\b)|can't\b|cannot\b|won't\b)"
)
_DENIED = re.compile(
    r"\b(?:wrong|incorrect|false|untrue|mistaken|a mistake|an error|used to be|no longer|formerly)\b"
    r"|(?:\bnot|n't) (?:right|correct|true)\b"
)
"""What a sentence says of something that is not the answer."""
_DOUBT = re.compile(
    r"\b(?:maybe|perhaps|possibly|guess|doubt|unsure|no idea|no clue|unknown|hard to say|impossible to (?:say|tell))\b"
    r"|\b(?:might|may|could|it can) (?:also |as well |well )?be\b"
    r"|(?:\bnot|n't) (?:really |quite |at all )?(?:know|sure|certain|remember)\b"
    r"|\b(?:can't|cannot|can not|couldn't|unable to) (?:say|tell|answer|determine|know|help)\b"
)
_RETRACTED = re.compile(r"[.!;,:-]\s+(?:no|wait|actually|sorry|oops|i mean|scratch that|correction)\b(?! other\b)")
_LISTED_BEFORE = re.compile(
    r"\bor (?:maybe |perhaps |a |an |the )*$|\w+, \w+,? (?:and|or) (?:a |an |the )?$|\w ?/ ?$|\bas well as $"
)
_LISTED_AFTER = re.compile(
    r"[,.;]? or \w|,? and (?:a |an |the )?\w+(?:[.!]?$| (?:are|were|both)\b)|(?:, \w+)+,? and \w"
    r"|(?:, \w+){2,}[.!]?$| ?/ ?\w|,? as well as \w"
)
_LAST_OF_LIST = re.compile(r", \w+[.!]?$")
_SEPARATOR = re.compile(r",\s*(?:and\s)?|\s+and\s+|\s+or\s+|[;\n]+|\.\s+")
_CONCLUSION = re.compile(r"\b(?:so|therefore|thus|hence|answer is)\b")
_TRUTH = re.compile(r"(?:^|[.!:;]\s+)(?:so,? |then,? |therefore,? )?(yes|no)\b(?! (?:is|was|would)\b)|\b(yes|no)[.!]?$")
_BOTH = re.compile(r"\byes\b.{0,12}\bno\b|\bno\b.{0,12}\byes\b|\byes,? \w+(?: \w+)?(?: are| is)?(?: not|n't)\b")
_PRONOUN = re.compile(r"\b(?:the|this|that|which|each|every|another|any) one\b|\bone (?:of|moment)\b")
_CLOCK = re.compile(r"\b(\d{1,2}):00\b")
_WORD = re.compile(r"[a-z]+")
_ALTERNATIVE = re.compile(r"[,.;]? ?(?:or|and|to|,|-|/) ?(?:even )?")
_ESTIMATED_BEFORE = re.compile(
    r"\b(?:about|around|roughly|approximately|nearly|almost|over|under|above|below|at least|at most|up to|close to|some"
    r"|than) (?:the )?$"
)
_ESTIMATED_AFTER = re.compile(
    r"(?! ?(?:am|pm|[ap]\.m)\b)[a-z]|%| percent|,? or (?:more|less|fewer|so)\b| and a (?:half|quarter)"
)

_ECHO_WORDS = 5
"""Words of the question in a row that count as its echo."""

_UNITS = {
    *("second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month", "months"),
    *("year", "years", "centimeters", "centimetres", "meters", "metres", "kilometers", "kilometres", "miles", "feet"),
    *("inches", "grams", "kilograms", "pounds", "ounces", "liters", "litres", "milliliters", "millilitres", "cents"),
    *("dollars", "eggs", "degrees"),
}
