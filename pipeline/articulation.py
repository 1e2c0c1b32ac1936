"""Speech from half-finished thoughts: what the streams of one mind read, and a guard over what is said. Pure.

Models that were not taught to speak in the middle of a thought begin their answer anew, say a thing twice, or say
something else than before. The guard knows sentences again that have the same words, but for one number, yes or no, and
for "so" in front. What is said again in other words it does not notice.
"""

import re

from pipeline.decoders.decoder import Open, Text, Thought, Unit

CORRECTION = "Let me correct that. "
"""Said before a sentence that says otherwise than one before it."""
RESTART = ", I mean, "
"""Said where a sentence is given up and begun anew."""

_NO_ACCIDENT = 3
"""Words from which sentences that are alike are no accident."""
_STUCK = 3
"""Sentences said again in a row, or segments without a new word, after which nothing new is to be hoped for."""
_LEADING = frozenset(("so", "well", "okay", "ok", "and", "then", "now", "thus", "therefore", "hence", "right"))
_NUMBERS = frozenset(
    (
        *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty"),
        *("forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand"),
    )
)
_TRUTHS = frozenset(("yes", "no", "true", "false", "correct", "wrong", "possible", "impossible"))
_WORD = re.compile(r"[\w']+(?:[.,:]\d+)*")
_SENTENCE_END = re.compile(r"[.?!][\"')\]]*\s+|\s*\n\s*")


def formulation(thoughts: str) -> list[Unit]:
    """What the stream of thoughts goes on with, behind the conversation."""
    return [Open("assistant"), Thought(thoughts)]


def articulation(thoughts: str, speech: str, ended: bool = False) -> list[Unit]:
    """What the stream of speech goes on with: the thoughts so far, closed, and the speech so far, open.

    `ended`: whether the model itself ended the thoughts, so that the last one is whole, with a stop or without.
    """
    return [Open("assistant"), Thought(thoughts if ended else whole_thoughts(thoughts)), Text(speech)]


def whole_thoughts(thoughts: str) -> str:
    """`thoughts` up to the last sentence or line that is whole; all of them if none is.

    A thought that breaks off would be gone on with aloud.
    """
    ends = [found.end() for found in _SENTENCE_END.finditer(thoughts)]
    return thoughts[: ends[-1]].rstrip() if ends else thoughts


class SpeechGuard:
    """Over the speech of one answer: feed it what the articulation stream writes; what it gives back may be said.

    Words are held back only while they are those of a sentence that was said before.
    """

    def __init__(self) -> None:
        self.said = ""
        """All that was let through: what the next articulation goes on with."""
        self._held = ""
        """Written, and neither let through nor dropped."""
        self._sentences: list[list[str]] = []
        """The plain words of each that was said to its end."""
        self._earlier = 0
        """How many of them are of earlier segments."""
        self._open = ""
        """What was said of the sentence under way."""
        self._looking = True
        """Whether what is held stands where a sentence may be said again."""
        self._anew = False
        """... or the one under way may be begun anew."""
        self._resumed = False
        """... at the beginning of a segment."""
        self._dropped = 0
        """Sentences in a row."""
        self._fruitless = 0
        """Segments in a row of which nothing was let through."""
        self._before = -1
        """What had been said when the segment began; -1: none has."""

    @property
    def stuck(self) -> bool:
        """Whether it says only what it said before: the answer is over."""
        return self._dropped >= _STUCK or self._fruitless >= _STUCK

    def resume(self) -> None:
        """Another segment begins behind `said`: there, models begin their answer anew. What is held is forgotten."""
        self._held = ""
        self._fruitless = self._fruitless + 1 if len(self.said) == self._before else 0
        self._before = len(self.said)
        if re.search(r"(?<!\d[.])(?<=[.?!])$", self._open):
            self._close_sentence()
        self._earlier = len(self._sentences)
        self._looking = self._resumed = True
        self._anew = bool(_plain(self._open))

    def push(self, text: str) -> str:
        """Take what was written next; what may be said now."""
        return self._through(text, last=False)

    def finish(self) -> str:
        """The answer is over; what of the rest may be said."""
        return self._through("", last=True)

    def _through(self, text: str, last: bool) -> str:
        self._held += text
        before = len(self.said)
        while self._held and (not self._looking or self._looked(last)):
            self._pass()
        return self.said[before:]

    def _looked(self, last: bool) -> bool:
        """Drop what was said before, and say whether it is certain of the rest of the sentence that it is new."""
        while self._held:
            found = _SENTENCE_END.search(self._held)
            ended = last or found is not None
            text = self._held[: found.end()] if found else self._held
            words = _plain(text)
            alike = [said for said in self._sentences if _could_be(said, words, ended)]
            if self._anew and not (words and alike):
                return self._begun_anew(text, words, ended)
            if not ended:
                return not alike and not (self._sentences and _may_lead(words))
            if not self._is_worth_dropping(words, alike):
                if self._corrects(words, alike):
                    self.said += CORRECTION
                return True
            self._held = self._held[len(text) :]
            self._dropped += 1
        return False

    def _begun_anew(self, text: str, words: list[str], ended: bool) -> bool:
        """Drop what was said of the open sentence before, and say whether it is certain what becomes of it."""
        said = _plain(self._open)
        certain = ended or not text[-1].isalnum()
        if words and words[: len(said)] == said and (certain or len(words) > len(said)):
            self._held = self._held[_end_of_word(text, len(said)) :]
        elif not ended and (words == said[: len(words)] or _is_beginning(words, said) or _may_lead(words)):
            if words or not text.strip() or _WORD.search(text):
                return False
        elif words and words == said[: len(words)]:
            self._held = self._held[len(text) :]
        elif self._dropped or (words and words[:_NO_ACCIDENT] == said[:_NO_ACCIDENT]):
            self.said += RESTART
            self._open += RESTART
            self._held = self._held.lstrip()
        self._anew = self._looking = False
        return True

    def _is_worth_dropping(self, words: list[str], alike: list[list[str]]) -> bool:
        """A short sentence may well be said twice, unless it is how the whole answer began."""
        begins_anew = self._resumed and self._sentences[:1] == [words]
        return words in alike and (len(words) >= _NO_ACCIDENT or self._dropped > 0 or begins_anew)

    def _corrects(self, words: list[str], alike: list[list[str]]) -> bool:
        """Within a segment no thought is new: there, what is said otherwise is the next step."""
        next_step = any(said in alike for said in self._sentences[self._earlier :])
        return bool(alike) and words not in alike and len(words) >= _NO_ACCIDENT and not next_step

    def _pass(self) -> None:
        """Let the sentence through as far as it is written."""
        if self._dropped and not self.said[-1:].isspace() and not self._open:
            self._held = f" {self._held.lstrip()}"  # the space between them went with what was dropped
        self._looking = self._resumed = self._anew = False
        self._dropped = 0
        found = _SENTENCE_END.search(self._open + self._held)
        length = found.end() - len(self._open) if found else len(self._held)
        ready, self._held = self._held[:length], self._held[length:]
        self.said += ready
        self._open += ready
        if found:
            self._close_sentence()

    def _close_sentence(self) -> None:
        if words := _plain(self._open):
            self._sentences.append(words)
        self._open = ""
        self._looking = True


def _plain(text: str) -> list[str]:
    """The words without case and marks, and without those that only lead over to them."""
    words = _WORD.findall(text.lower())
    while words and words[0] in _LEADING:
        del words[0]
    return words


def _end_of_word(text: str, count: int) -> int:
    """Where the plain word number `count` ends."""
    ends = [found.end() for found in _WORD.finditer(text)]
    return ends[len(ends) - len(_plain(text)) + count - 1]


def _may_lead(words: list[str]) -> bool:
    """Whether the only word so far may become one that leads over."""
    return len(words) == 1 and any(leading.startswith(words[0]) for leading in _LEADING)


def _is_beginning(words: list[str], said: list[str]) -> bool:
    """Whether `said` begins with `words`, of which the last may be cut."""
    whole = len(words) - 1
    return 0 < len(words) <= len(said) and words[:-1] == said[:whole] and said[whole].startswith(words[-1])


def _could_be(said: list[str], words: list[str], ended: bool) -> bool:
    """Whether `words` are `said`, or contradict it in one. Unless `ended`, more may follow, and the last may be cut."""
    if len(words) > len(said) or (ended and len(words) < len(said)):
        return False
    differing = [n for n, word in enumerate(words) if word != said[n]]
    if not ended and differing and differing[-1] == len(words) - 1:
        old, new = said[len(words) - 1], words[-1]
        if old.startswith(new) or _may_contradict(old, new):
            differing.pop()
    # A number at the front is a name: "room 2 is free" says nothing of room 1.
    return not differing or (
        len(differing) == 1
        and _contradict(said[differing[0]], words[differing[0]])
        and (differing[0] >= len(said) / 2 or not _is_number(words[differing[0]]))
    )


def _contradict(old: str, new: str) -> bool:
    negated = {old, new} in ({word, word.removesuffix(ending)} for word in (old, new) for ending in ("n't", "'t"))
    return (_is_number(old) and _is_number(new)) or negated or {old, new} <= _TRUTHS


def _is_number(word: str) -> bool:
    return word in _NUMBERS or word[0].isdigit()


def _may_contradict(old: str, new: str) -> bool:
    """The same of the beginning of a word."""
    return (
        _contradict(old, new)
        or new.startswith(old)
        or any(word.startswith(new) and _contradict(old, word) for word in _NUMBERS | _TRUTHS)
    )
