"""The decoder's text, as it comes, to clauses that can be spoken: the first one early, never in mid-phrase."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tts.numbers import cardinal
from tts.synthesizer import Clause, Word
from tts.text import AFTER, DASHES, MARKS, MONTH, OPENING, first_mark, paused, spoken_words

SENTENCE_WORDS = 3
"""A sentence that is shorter than this is spoken with the next one."""
FIRST_WORDS, LATER_WORDS = 3, 7
"""Words from which a comma or the like ends a clause: few in the first one, for its sound to begin early."""
LONGEST = 28
"""Words after which a clause is cut without a mark."""
HELD = 200
"""Characters that an opening "[" or backtick may wait for the one that closes it."""


@dataclass(frozen=True, slots=True)
class _Boundary:
    """A place where a clause may end."""

    sentence: bool
    stop: str
    unless: Callable[[str], bool] | None = None
    """Asked with the first letter or digit of the next word: whether the clause goes on after all."""


class ClauseSplitter:
    """One answer, fed in pieces that may be cut anywhere.

    Markdown goes: its marks are in no word. Code blocks and emoji stay in `written`, and nothing of them is spoken.
    A line's end ends a clause. Whatever the pieces, the clauses are the same.
    """

    def __init__(self) -> None:
        self._raw = ""
        """The word that is being written, with its markup."""
        self._parts: list[str | Word | None] = []
        """The open clause: text, words that are spoken in a way of their own, and None between cells of a table."""
        self._words = 0
        self._maybe: _Boundary | None = None
        self._first = True
        self._line = _Line()
        self._in_code = False
        self._ready: list[Clause] = []

    def push(self, text: str) -> list[Clause]:
        """Take the next piece of text; the clauses that it completed."""
        for character in text:
            if character == "\n":
                self._end_line(".")
            elif not character.isspace():
                self._raw += character
                if self._maybe and character.isalnum():
                    self._settle(character)
            elif len(self._raw) < HELD and _is_unclosed(self._raw):
                self._raw += " "
            else:
                self._end_word()
        return self._taken()

    def flush(self) -> list[Clause]:
        """The text is over: what is left of it."""
        self._end_line("")
        return self._taken()

    def _taken(self) -> list[Clause]:
        ready, self._ready = self._ready, []
        return ready

    def _end_line(self, stop: str) -> None:
        self._end_word()
        self._maybe = None
        self._close(_mark(self._parts) or ("" if self._in_code else stop))
        self._line = _Line()

    def _end_word(self) -> None:
        raw, self._raw = self._raw, ""
        if not raw:
            return
        if re.match(r"(```|~~~)(?!.*\1)", raw) and self._line.empty:
            self._in_code = not self._in_code
            self._line.dropped = True
        if self._line.dropped:
            return
        if self._in_code:
            self._line.empty = False
            self._parts.append(Word(raw, ""))
            return
        for part in self._line.parts(raw):
            self._add(part)

    def _add(self, part: str | Word | None) -> None:
        previous = next((p for p in reversed(self._parts) if isinstance(p, str)), "")
        self._parts.append(part)
        if not isinstance(part, str):
            return
        if any(map(str.isalnum, part)):
            self._words += 1
        else:
            self._maybe = None
        boundary = _boundary(part, previous)
        if boundary is None:
            # A number may belong with what follows it, so it is the last resort.
            if self._words >= (LONGEST if part.isalpha() else 2 * LONGEST):
                self._close("")
        elif boundary.unless:
            self._maybe = boundary
        else:
            self._reach(boundary)

    def _settle(self, character: str) -> None:
        boundary, self._maybe = self._maybe, None
        if boundary and boundary.unless and not boundary.unless(character):
            self._reach(boundary)

    def _reach(self, boundary: _Boundary) -> None:
        shortest = SENTENCE_WORDS if boundary.sentence else FIRST_WORDS if self._first else LATER_WORDS
        if self._words >= shortest:
            self._close(boundary.stop)

    def _close(self, stop: str) -> None:
        words = _worded(self._parts)
        if words:
            self._ready.append(Clause(words, stop))
            self._first = self._first and not self._words
        self._parts = []
        self._words = 0


class _Line:
    """One line of Markdown: what its beginning means for its words."""

    def __init__(self) -> None:
        self.empty = True
        self.dropped = False
        self._table = False

    def parts(self, raw: str) -> Iterator[str | Word | None]:
        """The text of a word, or of a link or code span with spaces in it, without its markup."""
        if self.empty:
            if re.fullmatch(r"[-*+•]|#{1,6}|>+|\[[ xX]\]|[-*_=]{3,}", raw):
                return
            if re.fullmatch(r"\d{1,3}[.)]", raw):
                self.empty = False
                yield Word(raw, cardinal(int(raw[:-1])) + ",")
                return
            raw = raw.lstrip(">")
            self._table = raw.startswith("|")
        self.empty = False
        if not self._table:
            yield from unmarked(raw).split()
            return
        for i, cell in enumerate(raw.split("|")):
            if i:
                yield None
            if not re.fullmatch(r":?-+:?", cell):
                yield from unmarked(cell).split()


def unmarked(text: str) -> str:
    """`text` without inline Markdown and HTML tags; code spans keep their content, links their text."""
    pieces = re.split(r"(?<!`)(`{1,3})(?!`)(.+?)(?<!`)\1(?!`)", text)
    # re.split puts text, backticks and code in turn.
    for i in range(0, len(pieces), 3):
        for pattern, replacement in _INLINE:
            pieces[i] = pattern.sub(replacement, pieces[i])
    return html.unescape("".join(piece for i, piece in enumerate(pieces) if i % 3 != 1))


def _is_unclosed(raw: str) -> bool:
    """Whether a link or a code span began in `raw` that has not ended yet."""
    return len(re.findall(r"`+", raw)) % 2 == 1 or re.search(r"\[[^\]]*$|\]\([^)]*$", raw) is not None


_INLINE = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"!?\[([^\]^]*)\]\((?:[^()]|\([^()]*\))*\)", r"\1"),
        (r"\[\^\w+\]", ""),
        (r"<(https?://[^>]*|[^\s@>]+@[^>]*)>", r"\1"),
        (r"<br\s*/?>", " "),
        (r"</?[a-zA-Z][^>]*>", ""),
        (r"(?<![\w\\*_])(?:[*_]{1,3}|~~)(?=[^\s*_])", ""),
        (r"(?<=[^\s*_\\])(?:[*_]{1,3}|~~)(?![\w*_])", ""),
        (r"(?<=[^\W\d_])\*{1,3}(?=[^\W\d_])", ""),
        (r"\\([\\`*_{}\[\]()#+.!|>~-])", r"\1"),
    )
]

_ENDING = re.compile(rf"{AFTER}$")
_NEVER_LAST = (
    *("Mr.", "Mrs.", "Ms.", "Dr.", "Prof.", "Gen.", "Sen.", "Gov.", "Capt.", "Lt.", "Sgt.", "Rev.", "Mt.", "Ft."),
    *("St.", "Fig.", "e.g.", "i.e.", "vs.", "approx.", "est.", "cf.", "Apt."),
)
_SOMETIMES_LAST = (
    "etc.",
    "Inc.",
    "Ltd.",
    "Corp.",
    "Co.",
    "Jr.",
    "Sr.",
    "Ave.",
    "Blvd.",
    "Rd.",
    "Dept.",
    "Ph.D.",
    "Mon.",
    "Tue.",
    "Tues.",
    "Wed.",
    "Thu.",
    "Thurs.",
    "Fri.",
)

_LETTERED = ("vitamin", "plan", "option", "answer", "part", "section", "group", "type", "class", "grade", "hepatitis")
"""Behind these, a capital with a point ends the sentence; elsewhere it is an initial."""


def _boundary(word: str, previous: str) -> _Boundary | None:
    """Whether a clause may end with `word`, which stands behind `previous`."""
    if word in DASHES:
        return None if previous[-1:].isdigit() else _Boundary(False, ",")
    found = _ENDING.search(word)
    ending = found.group() if found else ""
    if "?" in ending or "!" in ending:
        return _Boundary(True, "?" if "?" in ending else "!")
    if ".." in ending or "…" in ending:
        return _Boundary(False, ",")
    if "." in ending:
        return _full_stop(word[: len(word) - len(ending)].lstrip(OPENING) + ".", previous)
    if "," in ending and re.fullmatch(r"\d{1,2}(?:st|nd|rd|th)?,", word) and re.fullmatch(MONTH, previous):
        return _Boundary(False, ",", unless=str.isdigit)
    mark = first_mark(ending)
    return _Boundary(False, mark) if mark else None


def _full_stop(word: str, previous: str) -> _Boundary | None:
    if word in _NEVER_LAST:
        return None
    if word in ("No.", "no."):
        return _Boundary(True, ".", unless=str.isdigit)
    if word in _SOMETIMES_LAST or re.fullmatch(r"(?:[^\W\d_]\.){2,}", word):
        return _Boundary(True, ".", unless=str.islower)
    if re.fullmatch(r"[A-HJ-Z]\.", word) and previous.lower() not in _LETTERED:
        return None
    return _Boundary(True, ".")


def _mark(parts: list[str | Word | None]) -> str:
    """The mark that the text ends with, as a clause's stop."""
    last = next((part for part in reversed(parts) if isinstance(part, str)), "")
    found = _ENDING.search(last)
    return first_mark(found.group()) if found else ""


def _worded(parts: list[str | Word | None]) -> tuple[Word, ...]:
    """The words of a clause, the last one without the mark that is the clause's own."""
    words: list[Word] = []
    text: list[str] = []
    for part in (*parts, None):
        if isinstance(part, str):
            text.append(part)
            continue
        words += spoken_words(" ".join(text))
        text = []
        if part is not None:
            words.append(part)
        elif words and words[-1].spoken:
            words[-1] = paused(words[-1])
    for i in reversed(range(len(words))):
        if words[i].spoken:
            words[i] = Word(words[i].written, words[i].spoken.rstrip(MARKS))
            break
    return tuple(words)
