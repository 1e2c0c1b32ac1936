"""Notices that a model goes round in circles while it writes. Pure."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from pipeline.decoders.decoder import Finished, Generated, Token
from tts.frontend.sentences import SENTENCE_BOUNDARY, SENTENCE_STOPS

REPEATS = 3
"""Times that the same words stand in a row before they count as a loop. Twice is rhetoric ("far, far away")."""
LOOPING_WORDS = 12
"""Fewest words in all of these repetitions: "no, no, no" and a refrain of three words are no loops."""
LONGEST_PERIOD = 40
"""Most words of the passage that repeats; a longer one is not noticed."""

HELD_WORDS = 6
"""Words in a row that stood there before, from which text is held back until it is certain to be no loop."""

_UNSPACED = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
"""Scripts that are written without spaces: Thai, Japanese and Chinese."""
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:'[^\W_{_UNSPACED}]+)*")
"""A word; in a script without spaces, a character."""
_ASKED_REPETITION = re.compile(
    r"\brepeat|\bover and over\b|\bagain and again\b"
    r"|\b(?:say|sing|shout|chant|whisper|write|recite|spell)\b.*\btimes\b"
)
"""Requests for words that return, as in "Say hello twenty times"."""


async def until_loop(
    written: AsyncGenerator[Generated], so_far: Callable[[], Finished], asked: str = ""
) -> AsyncGenerator[Generated]:
    """Pass on what the decoder writes, and stop it where its words go round in circles: the last rounds are dropped.

    Text is held back only while it repeats what stands shortly before. An answer that is stopped ends as if the model
    had ended it: after a sentence, if the loop has sentences, and with `so_far`, the tokens that were read and written.
    `asked`: the words that are answered.
    """
    watch, held, passed = LoopWatch(asked), "", ""
    async with aclosing(written):
        async for part in written:
            if isinstance(part, Token):
                held += part.text
                if watch.push(part.text):
                    break
                if watch.repeating:
                    continue
            if held:
                yield Token(held)
                passed, held = held, ""
            if not isinstance(part, Token):
                yield part
        else:
            if held:
                yield Token(held)
            return
    if rest := _rest_of_sentence(passed, held):
        yield Token(rest)
    yield so_far()


def _rest_of_sentence(passed: str, held: str) -> str:
    """The beginning of `held` that completes the sentence in which `passed` ends; "" if nothing there does."""
    end = SENTENCE_BOUNDARY.search(held)
    return held[: end.end()].rstrip() if end and not passed.rstrip("\"') \n").endswith(SENTENCE_STOPS) else ""


class LoopWatch:
    """Reads one answer as it is written, and says when its end only repeats itself.

    Words are compared without case and punctuation, so a quote inside a quote inside a quote is a repetition too.
    Passages that differ in a word, such as steps of counting or verses with another number, are none, and neither are
    words that the user asked to have repeated: the longest answer bounds those.
    """

    def __init__(self, asked: str = "") -> None:
        """`asked`: the words that are answered."""
        asked = asked.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        self._wanted = frozenset(_WORD.findall(asked) if _ASKED_REPETITION.search(asked) else ())
        """Words that may return as often as they like."""
        self._words: list[str] = []
        """The words that are complete, in lower case: those that a loop may consist of. Wanted ones are numbered."""
        self._read = 0
        """Number of words so far."""
        self._open = ""
        """The text from the last word on, which may continue."""

    def push(self, text: str) -> bool:
        """Take the next text; returns whether the complete words so far end in a loop."""
        self._open += text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        found = list(_WORD.finditer(self._open))
        may_continue = bool(found) and found[-1].end() >= len(self._open.rstrip("'"))
        held = found.pop().start() if may_continue else len(self._open)
        self._open = self._open[held:]
        looping = False
        for match in found:
            word, self._read = match[0].lower(), self._read + 1
            self._words.append(f"{word} {self._read}" if word in self._wanted else word)
            looping = looping or self._loops()
        del self._words[: -REPEATS * max(LONGEST_PERIOD, LOOPING_WORDS)]
        return looping

    @property
    def repeating(self) -> bool:
        """Whether the last `HELD_WORDS` complete words stood one period before as well."""
        words, last = self._words, self._words[-HELD_WORDS:]
        return len(last) == HELD_WORDS and any(
            words[-HELD_WORDS - period : -period] == last for period in range(1, LONGEST_PERIOD + 1)
        )

    def _loops(self) -> bool:
        for period in range(1, LONGEST_PERIOD + 1):
            length = max(REPEATS * period, LOOPING_WORDS)
            tail = self._words[-length:]
            if len(tail) < length:
                return False
            if tail[period:] == tail[:-period]:
                return True
        return False
