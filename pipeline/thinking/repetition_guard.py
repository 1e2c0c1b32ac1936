"""Keeps an answer from repeating itself while its thoughts are unfinished. Pure.

Models that were not trained to speak in the middle of a thought restart their answer, repeat a statement, or contradict
one. The guard recognizes sentences with the same words, apart from one number, a yes or no, or a leading "so". It does
not recognize a repetition in other words.
"""

import re

from tts.frontend.sentences import SENTENCE_BOUNDARY

CORRECTION = "Let me correct that. "
"""Spoken before a sentence that contradicts an earlier one."""
RESTART = ", I mean, "
"""Spoken where a sentence is abandoned and restarted."""

_NO_ACCIDENT = 3
"""Number of words from which equal sentences count as a repetition."""
_STUCK = 3
"""Repeated sentences, or segments without a new word, in a row after which the answer is considered complete."""
_LEADING = frozenset(("so", "well", "okay", "ok", "and", "then", "now", "thus", "therefore", "hence", "right"))
NUMBER_WORDS = frozenset(
    (
        *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty", "thirty"),
        *("forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand"),
    )
)
_TRUTHS = frozenset(("yes", "no", "true", "false", "correct", "wrong", "possible", "impossible"))
_WORD = re.compile(r"[\w']+(?:[.,:]\d+)*")


class SpeechGuard:
    """Filters the speech of one answer: takes what the speaking stream writes, and returns what may be spoken.

    Words are held back only while they match an earlier sentence.
    """

    def __init__(self) -> None:
        self.said = ""
        """Everything that was let through: what the next segment of speech continues."""
        self._held = ""
        """Text that was neither let through nor dropped yet."""
        self._sentences: list[list[str]] = []
        """Plain words of each completed sentence."""
        self._earlier = 0
        """Number of sentences from earlier segments."""
        self._open = ""
        """The spoken part of the current sentence."""
        self._looking = True
        """Whether the held text is at a place where a sentence may be repeated."""
        self._may_restart = False
        """Whether the current sentence may be restarted there."""
        self._resumed = False
        """Whether that place is the beginning of a segment."""
        self._dropped = 0
        """Sentences dropped in a row."""
        self._fruitless = 0
        """Segments in a row from which nothing was let through."""
        self._before = -1
        """Length of `said` when the segment began; -1 before the first."""

    @property
    def stuck(self) -> bool:
        """Whether the model only repeats itself: the answer is complete."""
        return self._dropped >= _STUCK or self._fruitless >= _STUCK

    def resume(self) -> None:
        """Begin another segment after `said`, where models restart their answer. Held text is discarded."""
        self._held = ""
        self._fruitless = self._fruitless + 1 if len(self.said) == self._before else 0
        self._before = len(self.said)
        if re.search(r"(?<!\d[.])(?<=[.?!])$", self._open):
            self._close_sentence()
        self._earlier = len(self._sentences)
        self._looking = self._resumed = True
        self._may_restart = bool(_plain(self._open))

    def push(self, text: str) -> str:
        """Take the next text; returns what may be spoken now."""
        return self._through(text, last=False)

    def finish(self) -> str:
        """End the answer; returns what may be spoken of the rest."""
        return self._through("", last=True)

    def _through(self, text: str, last: bool) -> str:
        self._held += text
        before = len(self.said)
        while self._held and (not self._looking or self._looked(last)):
            self._pass()
        return self.said[before:]

    def _looked(self, last: bool) -> bool:
        """Drop repeated sentences; returns whether the rest of the current one is certain to be new."""
        while self._held:
            found = SENTENCE_BOUNDARY.search(self._held)
            ended = last or found is not None
            text = self._held[: found.end()] if found else self._held
            words = _plain(text)
            alike = [said for said in self._sentences if _could_be(said, words, ended)]
            if self._may_restart and not (words and alike):
                return self._restarted(text, words, ended)
            if not ended:
                return not alike and not (self._sentences and _may_lead(words))
            if not self._is_worth_dropping(words, alike):
                if self._corrects(words, alike):
                    self.said += CORRECTION
                return True
            self._held = self._held[len(text) :]
            self._dropped += 1
        return False

    def _restarted(self, text: str, words: list[str], ended: bool) -> bool:
        """Drop what repeats the open sentence; returns whether it is certain how that continues."""
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
        self._may_restart = self._looking = False
        return True

    def _is_worth_dropping(self, words: list[str], alike: list[list[str]]) -> bool:
        """Whether the sentence is a repetition. A short one may be, unless the whole answer began with it."""
        restarts = self._resumed and self._sentences[:1] == [words]
        return words in alike and (len(words) >= _NO_ACCIDENT or self._dropped > 0 or restarts)

    def _corrects(self, words: list[str], alike: list[list[str]]) -> bool:
        """Whether the sentence corrects an earlier segment. Within a segment it is the next step: no thought is new."""
        next_step = any(said in alike for said in self._sentences[self._earlier :])
        return bool(alike) and words not in alike and len(words) >= _NO_ACCIDENT and not next_step

    def _pass(self) -> None:
        """Let the sentence through as far as it has arrived."""
        if self._dropped and not self.said[-1:].isspace() and not self._open:
            self._held = f" {self._held.lstrip()}"  # the space between them was dropped with the sentence
        self._looking = self._resumed = self._may_restart = False
        self._dropped = 0
        found = SENTENCE_BOUNDARY.search(self._open + self._held)
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
    """The words in lower case without punctuation, and without leading words such as "so"."""
    words = _WORD.findall(text.lower())
    while words and words[0] in _LEADING:
        del words[0]
    return words


def _end_of_word(text: str, count: int) -> int:
    """End of plain word number `count` in `text`."""
    ends = [found.end() for found in _WORD.finditer(text)]
    return ends[len(ends) - len(_plain(text)) + count - 1]


def _may_lead(words: list[str]) -> bool:
    """Whether the only word so far may become a leading one."""
    return len(words) == 1 and any(leading.startswith(words[0]) for leading in _LEADING)


def _is_beginning(words: list[str], said: list[str]) -> bool:
    """Whether `said` begins with `words`, of which the last may be incomplete."""
    whole = len(words) - 1
    return 0 < len(words) <= len(said) and words[:-1] == said[:whole] and said[whole].startswith(words[-1])


def _could_be(said: list[str], words: list[str], ended: bool) -> bool:
    """Whether `words` repeat `said`, or contradict it in one word.

    Unless `ended`, more words may follow, and the last may be incomplete.
    """
    if len(words) > len(said) or (ended and len(words) < len(said)):
        return False
    differing = [n for n, word in enumerate(words) if word != said[n]]
    if not ended and differing and differing[-1] == len(words) - 1:
        old, new = said[len(words) - 1], words[-1]
        if old.startswith(new) or _may_contradict(old, new):
            differing.pop()
    # A number in the first half is a name: "room 2 is free" does not contradict "room 1 is free".
    return not differing or (
        len(differing) == 1
        and _contradict(said[differing[0]], words[differing[0]])
        and (differing[0] >= len(said) / 2 or not _is_number(words[differing[0]]))
    )


def _contradict(old: str, new: str) -> bool:
    negated = {old, new} in ({word, word.removesuffix(ending)} for word in (old, new) for ending in ("n't", "'t"))
    return (_is_number(old) and _is_number(new)) or negated or {old, new} <= _TRUTHS


def _is_number(word: str) -> bool:
    return word in NUMBER_WORDS or word[0].isdigit()


def _may_contradict(old: str, new: str) -> bool:
    """Whether `new` is the beginning of a word that contradicts `old`."""
    return (
        _contradict(old, new)
        or new.startswith(old)
        or any(word.startswith(new) and _contradict(old, word) for word in NUMBER_WORDS | _TRUTHS)
    )
