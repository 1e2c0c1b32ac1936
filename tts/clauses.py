"""The decoder's text, as it comes, to clauses that can be spoken: the first one early, never in mid-phrase."""

import html
import re
from collections.abc import Iterator

from tts import latex
from tts.boundaries import ENDING, Boundary, boundary_behind
from tts.numbers import cardinal
from tts.synthesizer import Clause, Word
from tts.text import MARKS, OPENING, first_mark, paused, spoken_words

SENTENCE_WORDS = 3
"""A sentence that is shorter than this is spoken with the next one."""
FIRST_WORDS, LATER_WORDS = 3, 7
"""Words from which a comma or the like ends a clause: few in the first one, for its sound to begin early."""
LONGEST = 28
"""Words after which a clause is cut without a mark."""
LONGEST_WORD, LONGEST_SAID = 40, 80
"""Letters of one word, and of what is said for it, above which it is cut: its sound would begin too late."""
WRAPPED, SURELY_WRAPPED = 4, 10
"""Words of a line without a mark that goes on in the next line, if that begins in lower case, or with any letter."""
HELD, HELD_LINES = 200, 1000
"""Characters that an opening "[", "$" or backtick, and a "$$" or "<!--", may wait for the one that closes it."""


class ClauseSplitter:
    """One answer, fed in pieces that may be cut anywhere.

    Markdown goes: its marks are in no word. Code blocks and emoji stay in `written`, and nothing of them is spoken.
    Formulas in LaTeX become plain characters. A line's end ends a clause, but not in a paragraph that is wrapped.
    Whatever the pieces, the clauses are the same.
    """

    def __init__(self) -> None:
        self._raw = ""
        """The word that is being written, with its markup."""
        self._parts: list[str | Word | None] = []
        """The open clause: text, words that are spoken in a way of their own, and None for a pause."""
        self._words = 0
        self._maybe: Boundary | None = None
        self._first = True
        self._line = _Line()
        self._line_over = False
        """The line may be over: the first letter of the next one decides."""
        self._in_code = False
        self._ready: list[Clause] = []

    def push(self, text: str) -> list[Clause]:
        """Take the next piece of text; the clauses that it completed."""
        for character in text:
            self._read(character)
        return self._taken()

    def flush(self) -> list[Clause]:
        """The text is over: what is left of it."""
        self._end_line("." if self._line_over else "")
        return self._taken()

    def _read(self, character: str) -> None:
        if self._line_over:
            if character.isspace() and character != "\n":
                return
            if not self._line.goes_on(character):
                self._end_line(".")
            self._line_over = False
        held = "" if self._in_code else self._raw
        if not character.isspace():
            if latex.is_price(held, character):
                self._end_word()
            self._raw += character
            self._settle(self._raw)
            if len(self._raw) == HELD and self._raw.isalnum():
                # Neither markup nor an address: its sound needs not wait for its end.
                self._end_word()
                self._close("")
        elif character == "\n" and not _spans_lines(held):
            self._end_word()
            self._line_over = not self._in_code and self._line.may_wrap and not _mark(self._parts)
            if not self._line_over:
                self._end_line(".")
        elif _spans_words(held):
            self._raw += " "
        else:
            self._end_word()

    def _taken(self) -> list[Clause]:
        ready, self._ready = self._ready, []
        return ready

    def _end_line(self, stop: str) -> None:
        self._end_word()
        self._close(_mark(self._parts) or ("" if self._in_code else stop))
        self._line = _Line()

    def _end_word(self) -> None:
        raw, self._raw = self._raw.rstrip(), ""
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
            *pieces, last = _bounded(part) if isinstance(part, str) else [part]
            for piece in pieces:
                self._add(piece)
                self._close("")
            self._add(last)

    def _add(self, part: str | Word | None) -> None:
        if not isinstance(part, str):
            self._parts.append(part)
            return
        self._settle(part + " ")
        previous = next((p for p in reversed(self._parts) if isinstance(p, str)), "")
        self._parts.append(part)
        self._maybe = None
        if any(map(str.isalnum, part)):
            self._words += 1
            self._line.words += 1
        boundary = boundary_behind(part, previous.lstrip(OPENING))
        if boundary and boundary.goes_on:
            self._maybe = boundary
        elif boundary:
            self._reach(boundary)
        # A number may belong with what follows it, so it is the last resort.
        if self._words >= (LONGEST if part.isalpha() else 2 * LONGEST):
            self._close("")

    def _settle(self, following: str) -> None:
        """Decide about the boundary that depends on the next word, as soon as enough of that is there."""
        boundary = self._maybe
        if not boundary or not boundary.goes_on:
            return
        word = re.search(r"[^\W_].*", following)
        goes_on = boundary.goes_on(word.group()) if word else None
        if goes_on is not None:
            self._maybe = None
        if goes_on is False:
            self._reach(boundary)

    def _reach(self, boundary: Boundary) -> None:
        shortest = SENTENCE_WORDS if boundary.sentence else FIRST_WORDS if self._first else LATER_WORDS
        if self._words >= shortest:
            self._close(boundary.stop)
        elif boundary.sentence:
            self._parts.append(None)

    def _close(self, stop: str) -> None:
        words = _worded(self._parts)
        if words:
            self._ready.append(Clause(words, stop))
            self._first = self._first and not self._words
        self._parts = []
        self._words = 0
        self._maybe = None


class _Line:
    """One line of Markdown: what its beginning means for its words."""

    def __init__(self) -> None:
        self.empty = True
        self.dropped = False
        self.words = 0
        self._heading = False
        self._table = False

    @property
    def may_wrap(self) -> bool:
        """Whether the line is long enough to go on in the next one."""
        return self.words >= WRAPPED and not (self._heading or self._table or self.dropped)

    def goes_on(self, character: str) -> bool:
        """Whether the line, which may wrap, does, where the next one begins with `character`."""
        return character.islower() or (character.isalpha() and self.words >= SURELY_WRAPPED)

    def parts(self, raw: str) -> Iterator[str | Word | None]:
        """The text of a word, or of a link or code span with spaces in it, without its markup."""
        if self.empty:
            self._heading = self._heading or re.fullmatch(r"#{1,6}", raw) is not None
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
    """`text` without inline Markdown, LaTeX and HTML tags; code spans keep their content, links their text."""
    pieces = re.split(r"(?<!`)(`{1,3})(?!`)(.+?)(?<!`)\1(?!`)", text)
    # re.split puts text, backticks and code in turn.
    for i in range(0, len(pieces), 3):
        pieces[i] = latex.without_latex(pieces[i])
        for pattern, replacement in _INLINE:
            pieces[i] = pattern.sub(replacement, pieces[i])
    return html.unescape("".join(piece for i, piece in enumerate(pieces) if i % 3 != 1))


def _spans_words(raw: str) -> bool:
    """Whether a link, a code span or a formula began in `raw` that has not ended yet."""
    if len(raw) >= HELD:
        return _spans_lines(raw)
    return (
        len(re.findall(r"`+", raw)) % 2 == 1
        or re.search(r"\[[^\]]*$|\]\([^)]*$", raw) is not None
        or latex.is_open_in_line(_CODE_SPAN.sub("", raw))
        or _spans_lines(raw)
    )


def _spans_lines(raw: str) -> bool:
    """Whether a comment or a formula began in `raw` that may end in a later line."""
    text = _CODE_SPAN.sub("", raw)
    return len(raw) < HELD_LINES and (text.rfind("<!--") > text.rfind("-->") or latex.is_open(text))


def _bounded(word: str) -> list[str]:
    """`word`, or its pieces if it takes too long to say."""
    if len(word) <= LONGEST_WORD or sum(len(said.spoken) for said in spoken_words(word)) <= LONGEST_SAID:
        return [word]
    return re.findall(rf".{{1,{LONGEST_WORD}}}", word)


_CODE_SPAN = re.compile(r"(`+).*?(?:\1|$)")
_INLINE = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"<!--.*?-->", ""),
        (r"!?\[([^\]^]*)\]\((?:[^()]|\([^()]*\))*\)", r"\1"),
        (r"\[\^\w+\]", ""),
        (r"<(https?://[^>]*|[^\s@>]+@[^>]*)>", r"\1"),
        (r"<br\s*/?>", " "),
        (r"</?[a-zA-Z][^>]*>", ""),
        (r"(?<![\w\\*_])(?:[*_]{1,3}|~~)(?=[^\s*_])", ""),
        (r"(?<=[^\s*_\\])(?:[*_]{1,3}|~~)(?![\w*_])", ""),
        (r"(?<=[^\W\d_])\*{1,3}(?=[^\W\d_])", ""),
        (r"\\([$\\`*_{}\[\]()#+.!|>~-])", r"\1"),
    )
]


def _mark(parts: list[str | Word | None]) -> str:
    """The mark that the text ends with, as a clause's stop."""
    last = next((part for part in reversed(parts) if isinstance(part, str)), "")
    found = ENDING.search(last)
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
