"""Cuts the decoder's text, as it arrives, into clauses to speak: the first one early, none in mid-phrase."""

import html
import re
from collections.abc import Iterator

from tts.frontend import latex
from tts.frontend.english.boundaries import ENDING, Boundary, boundary_after, split_sentences
from tts.frontend.english.normalization import paused, spoken_words
from tts.frontend.english.number_words import cardinal
from tts.frontend.english.phrases import is_interjection, phrase_ends
from tts.frontend.english.rules import MARKS, OPENING, first_mark
from tts.synthesizer import Clause, Word

SENTENCE_WORDS = 3
"""A sentence with fewer words than this is spoken together with the next one."""
FIRST_WORDS, LATER_WORDS = 3, 7
"""Words from which a comma or similar mark ends a clause. The first clause needs few, so its audio starts early."""
PHRASE_WORDS = 3
"""Words from which a clause that is asked for early may end where a phrase ends without a mark."""
LONGEST = 28
"""Words after which a clause is cut even without a mark."""
LONGEST_WORD, LONGEST_SAID = 40, 80
"""Letters of one word, and of its spoken form, above which it is cut, because its audio would start too late."""
WRAPPED, SURELY_WRAPPED = 4, 10
"""Words from which a line without a closing mark continues in the next line: if that starts in lower case; always."""
CONTEXT = 80
"""Characters of the text before a clause that its numbers are understood by."""
HELD, HELD_LINES = 200, 1000
"""Characters that an opening "[", "$" or backtick, and an opening "$$" or "<!--", may wait for their closing mark."""


class ClauseSplitter:
    """Splits one answer, fed in arbitrary pieces, into clauses that do not depend on where the pieces were cut.

    Markdown is removed: no word contains its marks. Code blocks and emoji stay in `written` and are not spoken. LaTeX
    formulas become plain characters. The end of a line ends a clause, except inside a wrapped paragraph.
    """

    def __init__(self) -> None:
        self._raw = ""
        """The incomplete last word, with its markup."""
        self._parts: list[str | Word | None] = []
        """The open clause: text, words whose spoken form is already known, and None for a pause."""
        self._before = ""
        """The end of the text before the open clause, which may show what its numbers mean."""
        self._words = 0
        self._pending: Boundary | None = None
        """A boundary after the last word that only the next word can confirm."""
        self._first = True
        self._continued = False
        """Whether the open clause is the rest of one that ended early."""
        self._line = _Line()
        self._line_over = False
        """Whether the line may have ended; the first character of the next line decides."""
        self._in_code = False
        self._ready: list[Clause] = []

    def push(self, text: str) -> list[Clause]:
        """Take the next piece of text and return the clauses that it completed."""
        for character in text:
            self._read(character)
        return self._taken()

    def early(self) -> list[Clause]:
        """End the open clause with the last word or before it, if it may end there by what has arrived, and return it.

        Call it where a token of a language model ends: what has arrived of a common word is then all of it. The same
        words come in the same order as without the call, in shorter clauses.
        """
        last = self._parts[-1] if self._parts else ""
        wrapped = self._in_code or self._line_over or _WRAPPING.search(self._open_text())
        if wrapped or self._pending or not isinstance(last, str):
            return []
        if self._raw.isalpha():
            if self._words >= PHRASE_WORDS and phrase_ends(last, self._raw):
                self._close("")
        elif self._raw == "=":
            # "7 + 6" is said before what it equals; of a dash among things, only what follows shows that it is a minus.
            if len(self._parts) >= PHRASE_WORDS and not _DASH.search(self._open_text()):
                self._close("")
        elif _MARKED.fullmatch(self._raw):
            boundary = boundary_after(self._raw, last)
            long = self._words + 1 >= FIRST_WORDS or is_interjection(self._open_text().rstrip(MARKS))
            if boundary and not boundary.continues and long:
                self._end_word()
                self._close(boundary.stop)
        self._continued = self._continued or bool(self._ready)
        return self._taken()

    def flush(self) -> list[Clause]:
        """End the text and return the clauses of what is left of it."""
        self._end_line("." if self._line_over else "")
        return self._taken()

    def _read(self, character: str) -> None:
        if self._line_over:
            if character.isspace() and character != "\n":
                return
            if not self._line.continues(character):
                self._end_line(".")
            self._line_over = False
        held = "" if self._in_code else self._raw
        if not character.isspace():
            if latex.is_price(held, character):
                self._end_word()
            self._raw += character
            self._settle(self._raw)
            if len(self._raw) == HELD and self._raw.isalnum():
                # Neither markup nor an address, so it can be spoken before it ends.
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

    def _open_text(self) -> str:
        """The text of the open clause, with the markup of its last word."""
        return " ".join([*(part for part in self._parts if isinstance(part, str)), self._raw])

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
            *sentences, rest = split_sentences(part) if isinstance(part, str) and "`" not in raw else [part]
            for sentence in sentences:
                self._add(sentence)
            *pieces, last = _bounded(rest) if isinstance(rest, str) else [rest]
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
        self._pending = None
        if any(map(str.isalnum, part)):
            self._words += 1
            self._line.words += 1
        boundary = boundary_after(part, previous.lstrip(OPENING))
        if boundary and boundary.continues:
            self._pending = boundary
        elif boundary:
            self._reach(boundary)
        # A number may belong with the next word, so the clause is cut after one only as a last resort.
        if self._words >= (LONGEST if part.isalpha() else 2 * LONGEST):
            self._close("")

    def _settle(self, following: str) -> None:
        """Decide whether to cut at the pending boundary, as soon as enough of the next word has arrived."""
        boundary = self._pending
        if not boundary or not boundary.continues:
            return
        word = re.search(r"[^\W_].*", following)
        continues = boundary.continues(word.group()) if word else None
        if continues is not None:
            self._pending = None
        if continues is False:
            self._reach(boundary)

    def _reach(self, boundary: Boundary) -> None:
        shortest = SENTENCE_WORDS if boundary.sentence else FIRST_WORDS if self._first else LATER_WORDS
        if self._words >= shortest or (boundary.sentence and self._continued):
            self._close(boundary.stop)
        elif boundary.sentence:
            self._parts.append(None)

    def _close(self, stop: str) -> None:
        words, self._before = _worded(self._parts, self._before)
        if words:
            self._ready.append(Clause(words, stop))
            self._first = self._first and not self._words
        self._parts = []
        self._words = 0
        self._pending = None
        self._continued = False


def clauses_of(text: str) -> list[Clause]:
    """The clauses of a whole text."""
    splitter = ClauseSplitter()
    return [*splitter.push(text), *splitter.flush()]


class _Line:
    """State of one line of Markdown, whose beginning decides how its words are read."""

    def __init__(self) -> None:
        self.empty = True
        self.dropped = False
        self.words = 0
        self._heading = False
        self._table = False

    @property
    def may_wrap(self) -> bool:
        """Whether the line is long enough to continue in the next one."""
        return self.words >= WRAPPED and not (self._heading or self._table or self.dropped)

    def continues(self, character: str) -> bool:
        """Whether a line that may wrap continues in the next line, which begins with `character`."""
        return character.islower() or (character.isalpha() and self.words >= SURELY_WRAPPED)

    def parts(self, raw: str) -> Iterator[str | Word | None]:
        """Text without markup of `raw`: a word, or a link or code span that contains spaces."""
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
    """`text` without inline Markdown, LaTeX and HTML tags. Code spans keep their content and links their text."""
    pieces = re.split(r"(?<!`)(`{1,3})(?!`)(.+?)(?<!`)\1(?!`)", text)
    # re.split returns text, backticks and code in turn.
    for i in range(0, len(pieces), 3):
        pieces[i] = latex.without_latex(pieces[i])
        for pattern, replacement in _INLINE:
            pieces[i] = pattern.sub(replacement, pieces[i])
    return html.unescape("".join(piece for i, piece in enumerate(pieces) if i % 3 != 1))


def _spans_words(raw: str) -> bool:
    """Whether `raw` opens a link, code span or formula that it does not close."""
    if len(raw) >= HELD:
        return _spans_lines(raw)
    return (
        len(re.findall(r"`+", raw)) % 2 == 1
        or re.search(r"\[[^\]]*$|\]\([^)]*$", raw) is not None
        or latex.is_open_in_line(_CODE_SPAN.sub("", raw))
        or _spans_lines(raw)
    )


def _spans_lines(raw: str) -> bool:
    """Whether `raw` opens a comment or formula that it does not close and that may close in a later line."""
    text = _CODE_SPAN.sub("", raw)
    return len(raw) < HELD_LINES and (text.rfind("<!--") > text.rfind("-->") or latex.is_open(text))


def _bounded(word: str) -> list[str]:
    """`word`, or pieces of it if it takes too long to say."""
    if len(word) <= LONGEST_WORD or sum(len(said.spoken) for said in spoken_words(word)) <= LONGEST_SAID:
        return [word]
    return re.findall(rf".{{1,{LONGEST_WORD}}}", word)


_DASH = re.compile(r"(?<!\d) [-–—] | [-–—] (?!\d)")
"""A dash that is not between numbers."""
_WRAPPER = r"[^\w\s,;:.?!'’+=×÷/%-]"
_WRAPPING = re.compile(rf"(?<!\s){_WRAPPER}|{_WRAPPER}(?!\s)")
"""What may wrap several words, as quotation marks, brackets and Markdown do: its end may still be to come. A sign that
stands by itself, as in "2 * 3", does not."""
_MARKED = re.compile(r"[^\W\d_]{2,}[,;:.?!]")
"""A word with its mark. After a digit a mark may be part of a number."""
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
    """The mark at the end of the text in `parts`, as the stop of a clause."""
    last = next((part for part in reversed(parts) if isinstance(part, str)), "")
    found = ENDING.search(last)
    return first_mark(found.group()) if found else ""


def _worded(parts: list[str | Word | None], before: str) -> tuple[tuple[Word, ...], str]:
    """The words of a clause, the last one without the mark that closes the clause, and what the next has before it."""
    words: list[Word] = []
    text: list[str] = []
    for part in (*parts, None):
        if isinstance(part, str):
            text.append(part)
            continue
        if text:
            written = " ".join(text)
            words += spoken_words(written, before)
            # Quotation marks are left out: one of a pair could have been cut off.
            before = re.sub(r"[\"“”]", "", f"{before} {written}").strip()[-CONTEXT:]
        text = []
        if part is not None:
            words.append(part)
        elif words and words[-1].spoken:
            words[-1] = paused(words[-1])
    for i in reversed(range(len(words))):
        if words[i].spoken:
            words[i] = Word(words[i].written, words[i].spoken.rstrip(MARKS))
            break
    return tuple(words), before
