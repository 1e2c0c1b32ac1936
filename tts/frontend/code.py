"""Recognizes texts that models write for machines: JSON, tool calls and Python. Nobody wants to hear them."""

import ast
import json
import re
from enum import Enum


class Code(Enum):
    """Kind of a text that is not prose."""

    JSON = "json"
    TOOL_CALL = "tool call"
    PROGRAM = "program"


_FENCED = re.compile(r"\s*(?:```|~~~)[ \t]*([\w+#-]*)[ \t]*\n?(.*?)(?:(?:```|~~~)\s*|$)", re.DOTALL)
_TAGGED = re.compile(
    r"<\|?/?(?:tool_calls?|function_calls?|function|invoke|python_tag)\b|\[TOOL_CALLS\]", re.IGNORECASE
)
_BROKEN_JSON = re.compile(r"""[\[{]\s*(?:\{\s*)?["'][\w $-]+["']\s*:""")
_STATEMENTS = (
    *(ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    *(ast.For, ast.While, ast.With, ast.Try, ast.If, ast.Return),
)


def code_of(text: str) -> Code | None:
    """What kind of code `text` is as a whole, fenced or not; None for prose, even if it contains code.

    A JSON object or array that breaks off counts as JSON, because a model's token limit may have cut it. Words, numbers
    and equations that happen to be valid Python ("Yes", "x = 5") are prose.
    """
    fenced = _FENCED.fullmatch(text)
    bare = (fenced[2] if fenced else text).strip()
    if not bare:
        return None
    if _TAGGED.match(bare):
        return Code.TOOL_CALL
    if bare[0] in "[{" and (_is_json(bare) or is_begun_json(bare)):
        return Code.JSON
    if _is_program(bare) or fenced:
        return Code.PROGRAM
    return None


def is_begun_json(text: str) -> bool:
    """Whether `text` begins as a JSON object does, with a key, or as a list of such objects."""
    return _BROKEN_JSON.match(text) is not None


def _is_json(text: str) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) or any(isinstance(item, dict) for item in value)


def _is_program(text: str) -> bool:
    if not re.search(r"[(=:]|\bimport\b", text):
        return False
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        # SystemError: CPython 3.11 reports some nestings that are too deep for its parser in this way.
        return False
    return any(
        isinstance(node, _STATEMENTS)
        or any(
            isinstance(part, ast.Call) and isinstance(part.func, ast.Name | ast.Attribute) and _has_values(part)
            for part in ast.walk(node)
        )
        for node in body
    )


def _has_values(call: ast.Call) -> bool:
    """Whether a call passes keywords, strings or nothing, as no function in a formula does."""
    return (
        bool(call.keywords)
        or not call.args
        or any(isinstance(arg, ast.Constant) and isinstance(arg.value, str) for arg in call.args)
    )
