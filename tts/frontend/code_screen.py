"""Keeps code out of a spoken answer: what a model wrote for machines is shown, and a sentence is said instead."""

import re

from tts.frontend.code import code_of, is_begun_json
from tts.frontend.speakable import Unspeakable

_FENCES = ("```", "~~~")
_TAG = re.compile(r"<\|?/?(?:tool_calls?|function_calls?|function|invoke|python_tag)\b|\[TOOL_CALLS\]", re.IGNORECASE)
_TAG_BEGINS = re.compile(r"<\|?/?[a-z_]{0,14}\Z|\[[A-Z_]{0,11}\Z", re.IGNORECASE)
_TAG_ENDS = re.compile(r"</(?:tool_calls?|function_calls?|function|invoke)>", re.IGNORECASE)
_STATEMENT = re.compile(
    r"(?:import|from|def|class|for|while|with|try|if|elif|else|return|async|await|print)\b|@\w"
    r"|[A-Za-z_][\w.]*(?:\(|\s?=[^=])"
)
"""How a line of Python begins, in lower case: what is none of it is found out when the line is complete."""
_FIRST_WORD = re.compile(r"[A-Za-z_@][\w.]*\s?=?\Z")
_PLAIN = re.compile(r"(?:[\w',-]+ ){8}|[\w',\- ]*(?:\w'[a-z]+ |[a-z]{2,}[.?!]\s)")
"""A line that is no Python, though it begins like it: many words without a sign, a contraction, or a sentence's end."""
_INCOMPLETE = (":", ",", "(", "[", "{", "\\")
"""Ends of a line of code that the next line continues."""
_PROSE_LANGUAGES = ("", "text", "txt", "plain", "plaintext", "markdown", "md")
_SYMBOLS = re.compile(r"[{}=;<>$|\\]|\w\(|(?:^|\s)-\w|^\s*#", re.MULTILINE)
"""Signs that prose in a fence does not have."""
_LONGEST_GUESS = 60
"""Characters after an opening bracket by which JSON has shown a key."""


class CodeScreen:
    """Reads one answer, fed in arbitrary pieces, before it is cut into clauses.

    Text passes as it is. Fenced blocks, JSON, tool calls and statements of Python are held until they are complete;
    then they leave as a fenced block, which is written and not spoken, and the first is followed by a sentence.
    """

    def __init__(self) -> None:
        self._text = ""
        """What was not let out yet."""
        self._line_begins = True
        """Whether `_text` begins a line."""
        self._explained = False

    def push(self, text: str) -> str:
        """Take the next piece of text and return what can be let out."""
        self._text += text
        return self._released(ended=False)

    def flush(self) -> str:
        """End the text and return the rest of it."""
        return self._released(ended=True)

    def _released(self, ended: bool) -> str:
        out = ""
        while self._text:
            length = self._prose(ended)
            out += self._take(length)
            if not self._text:
                break
            held = self._code_length(ended)
            if held is None:
                break
            if held == 0:
                # It only looked like code.
                out += self._take(1)
                continue
            out += self._block(self._text[:held])
            self._text = self._text[held:]
            self._line_begins = True
        return out

    def _take(self, length: int) -> str:
        taken, self._text = self._text[:length], self._text[length:]
        if taken.strip(" \t"):
            self._line_begins = taken.rstrip(" \t").endswith("\n")
        return taken

    def _prose(self, ended: bool) -> int:
        """Length of the text before the next place that may be code."""
        at = 0
        if self._line_begins and self._begins_code(0, ended):
            return len(self._text) - len(self._text.lstrip())
        while at < len(self._text):
            character = self._text[at]
            if character == "\n" and self._begins_code(at + 1, ended):
                return at + 1
            if character == "{" or self._text.startswith(_FENCES, at):
                return at
            if character == "[" and (_bracket_opens_json(self._text[at:]) or (not ended and at + 1 == len(self._text))):
                return at
            if not ended and character in "`~" and not self._text[at:].strip(character):
                return at
            at += 1
        return at

    def _begins_code(self, at: int, ended: bool) -> bool:
        """Whether a line that begins at `at` may be code, as far as it has come."""
        line = self._text[at:].lstrip().partition("\n")[0]
        if _TAG.match(line) or _STATEMENT.match(line):
            return True
        unfinished = not ended and "\n" not in self._text[at:].lstrip()
        return unfinished and bool(line) and (_FIRST_WORD.fullmatch(line) or _TAG_BEGINS.fullmatch(line)) is not None

    def _code_length(self, ended: bool) -> int | None:
        """Length of the code that the text begins with; 0: it is none; None: it may go on."""
        text = self._text
        if text.startswith(_FENCES):
            return _length_of_fence(text, ended)
        if text[0] in "`~" and not ended:
            return None
        if _TAG.match(text):
            found = _TAG_ENDS.search(text)
            return found.end() if found else len(text) if ended else None
        if text[0] in "{[":
            return _length_of_json(text, ended)
        return _length_of_statement(text, ended)

    def _block(self, code: str) -> str:
        """`code` as a block that is shown and not said, with the sentence that is said."""
        bare, language = _bare(code)
        if not bare.strip():
            return "\n"
        if language is not None and language.lower() in _PROSE_LANGUAGES and _is_prose(bare):
            return f"\n{bare}\n"
        sentence = "" if self._explained else f"{Unspeakable.CODE.sentence}\n"
        self._explained = True
        return "\n```\n" + bare.replace("```", "'''").strip("\n") + f"\n```\n{sentence}"


def _length_of_fence(text: str, ended: bool) -> int | None:
    end = text.find(text[:3], 3)
    if end >= 0:
        return end + 3
    return len(text) if ended else None


def _length_of_json(text: str, ended: bool) -> int | None:
    end = _end_of_brackets(text)
    if end is None and not ended:
        return 0 if len(text) > _LONGEST_GUESS and not is_begun_json(text) else None
    end = len(text) if end is None else end
    return end if code_of(text[:end]) is not None else 0


def _length_of_statement(text: str, ended: bool) -> int | None:
    """Length of the statement that begins with the text's first line; a later line may be needed to complete it."""
    end = text.find("\n")
    while end >= 0:
        if code_of(text[:end]) is not None:
            return end + 1
        if not text[:end].rstrip().endswith(_INCOMPLETE):
            return 0
        end = text.find("\n", end + 1)
    if not ended:
        return 0 if _PLAIN.match(text) else None
    return len(text) if code_of(text) is not None else 0


def _end_of_brackets(text: str) -> int | None:
    """Where the brackets that open at the start of `text` are closed; None: they are not."""
    depth, quoted, escaped = 0, "", False
    for at, character in enumerate(text):
        if quoted:
            quoted = "" if character == quoted and not escaped else quoted
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = character
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if depth == 0:
                return at + 1
    return None


def _bracket_opens_json(text: str) -> bool:
    return re.match(r"\[\s*[{\"']", text) is not None or _TAG.match(text) is not None


def _bare(code: str) -> tuple[str, str | None]:
    """Code without its fence, and the language that the fence names; None: there is no fence."""
    if not code.startswith(_FENCES):
        return code, None
    inner = code[3:].removesuffix(code[:3])
    first, newline, rest = inner.partition("\n")
    return (rest, first.strip()) if newline and re.fullmatch(r"[\w+#-]*", first.strip()) else (inner, "")


def _is_prose(text: str) -> bool:
    return len(text.split()) >= 3 and code_of(text) is None and _SYMBOLS.search(text) is None
