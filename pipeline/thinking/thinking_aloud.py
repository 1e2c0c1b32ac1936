"""What is said of thoughts while their answer is not there: clause by clause, to the end of a sentence. Pure."""

import re
from collections.abc import Callable
from dataclasses import replace

from tts.frontend.clauses import ClauseSplitter
from tts.frontend.sentences import SENTENCE_STOPS
from tts.synthesizer import Clause

_NO_SPEECH = re.compile(r"[`{}\\|<>\[\]_]|://")
"""Signs of code, formulas and markup."""
_MOST_WORDS = 12
"""Words, about five seconds of speech, that an answer waits for. A longer sentence, or its end, is left out."""


class ThinkingAloud:
    """The thoughts of one answer. What is taken of them is for the time until the answer is written."""

    def __init__(self, report: Callable[[str], None], *, fit: bool) -> None:
        """`report` is called with every piece of thought. `fit`: whether they are sentences, fit to be heard."""
        self._report = report
        self._over = not fit
        self._splitter = ClauseSplitter()
        self._ready: list[Clause] = []
        """What is written and was not taken."""
        self._in_sentence = False
        """Whether a sentence was begun and not ended."""

    def think(self, text: str) -> None:
        """The next token of the thoughts, as it is written."""
        self._report(text)
        if not self._over:
            self._ready += self._splitter.push(text)

    def take(self) -> list[Clause]:
        """What to say next: all that is written of a sentence, or a phrase that begins it."""
        if not (self._over or self._ready):
            self._ready += self._splitter.early()
        return self._rest_of_sentence()

    def end(self, in_silence: bool) -> list[Clause]:
        """Words of the answer are going to be written. What is to be said before them; nothing more is, after it.

        The end of a sentence that was begun; `in_silence`: one more sentence, as it would be quiet until then.
        """
        self._ready += self._splitter.flush()
        rest = self._rest_of_sentence() if self._in_sentence or in_silence else []
        self._over = True
        words = sum(any(map(str.isalnum, word.written)) for clause in rest for word in clause.words)
        return rest if words <= _MOST_WORDS else []

    def _rest_of_sentence(self) -> list[Clause]:
        rest: list[Clause] = []
        while self._ready and not self._over:
            clause = _without_number(self._ready.pop(0))
            # What comes after words that can't be said would not be understood.
            self._over = _NO_SPEECH.search(clause.written) is not None
            if clause.words and not self._over:
                rest.append(clause)
            self._in_sentence = clause.stop not in SENTENCE_STOPS
            if not self._in_sentence:
                break
        return rest


def _without_number(clause: Clause) -> Clause:
    """`clause` without the number of its line in a list."""
    numbered = re.fullmatch(r"\d{1,2}[.)]", clause.words[0].written)
    return replace(clause, words=clause.words[1:]) if numbered else clause
