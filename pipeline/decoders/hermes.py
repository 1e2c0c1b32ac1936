"""Tool calls in plain text, in the Hermes convention (`<tool_call>{...}</tool_call>`) that open models are trained on.

Source: https://github.com/NousResearch/Hermes-Function-Calling. Pure.
"""

import ast
import json
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

from pipeline.decoders.decoder import DecoderError, Token, Tool, ToolCall
from pipeline.decoders.python_calls import python_calls

CALL_OPENS = "<tool_call>"
CALL_CLOSES = "</tool_call>"
TAGS = (CALL_OPENS, CALL_CLOSES)
CALL_BEGINNINGS = (CALL_OPENS, "{", '{"', "```")
"""How models begin calls, with the tag and without: no spoken answer begins so."""
RESULT_OPENS = "<tool_response>"
RESULT_CLOSES = "</tool_response>"


class UnreadableCall(DecoderError):
    """The model wrote a call that can't be read, or one of a function that does not exist."""


def describe(tools: Sequence[Tool]) -> str:
    """The part of the instructions that lets a model call `tools`; empty without tools.

    Without its last sentence a model of 1.5 billion parameters makes the call again when it has read the result.
    """
    if not tools:
        return ""
    signatures = "\n".join(
        json.dumps({"name": tool.name, "description": tool.description, "parameters": tool.parameters})
        for tool in tools
    )
    return (
        "\n\nYou can call these functions:\n<tools>\n"
        f"{signatures}\n</tools>\n"
        "If the request needs one of them, write nothing but\n"
        f'{CALL_OPENS}\n{{"name": <function name>, "arguments": <arguments object>}}\n{CALL_CLOSES}\n'
        f"Once you have read its {RESULT_OPENS}, answer from it in plain words."
    )


def call_text(name: str, arguments: str) -> str:
    """A call as the model would have written it between the tags; `arguments` is a JSON object."""
    return f'\n{{"name": {json.dumps(name)}, "arguments": {arguments or "{}"}}}\n'


def call_schema(tools: Sequence[Tool]) -> dict[str, object]:
    """The JSON Schema of a call to any of `tools`, for constrained decoding."""
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool.name}, "arguments": _closed(tool.parameters)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


_GRAMMATICAL = ("type", "required", "enum", "const")
_DEEPEST, _LARGEST = 8, 500


def _closed(parameters: dict[str, Any]) -> dict[str, Any]:
    """The shape of a call's arguments, without what is too expensive to enforce.

    A small model that is free to add arguments keeps adding them, so only the named ones are allowed. The schema comes
    from the client and becomes a grammar in the server's memory, where a `minItems` of a billion is a billion rules:
    counts, lengths, patterns and references are dropped, and a schema of more than 500 parts becomes "an object".
    """
    schema = {"additionalProperties": False, **_shape(parameters, _DEEPEST), "type": "object"}
    return schema if len(json.dumps(schema)) <= _LARGEST * 100 and _parts(schema) <= _LARGEST else {"type": "object"}


def _shape(schema: object, depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or depth == 0:
        return {}
    shape = {key: schema[key] for key in _GRAMMATICAL if key in schema}
    if isinstance(more := schema.get("additionalProperties"), bool):
        shape["additionalProperties"] = more
    if isinstance(properties := schema.get("properties"), dict):
        shape["properties"] = {name: _shape(part, depth - 1) for name, part in properties.items()}
    if "items" in schema:
        shape["items"] = _shape(schema["items"], depth - 1)
    if isinstance(choices := schema.get("anyOf"), list):
        shape["anyOf"] = [_shape(choice, depth - 1) for choice in choices]
    return shape


def _parts(schema: object) -> int:
    match schema:
        case dict():
            return 1 + sum(_parts(part) for part in schema.values())
        case list():
            return sum(_parts(part) for part in schema)
        case _:
            return 1


def parse_call(text: str, tools: Sequence[Tool] = ()) -> ToolCall:
    """The call to one of `tools` in `text`, the JSON between the tags; without `tools`, to any function.

    Slips of small models are repaired where only one reading is possible: a Markdown fence around the JSON, a comma
    before a closing bracket, Python literals, arguments as a string of JSON, the call's own last brace missing, or
    brackets and words left over after it. Arguments that break off are not completed. Raises `UnreadableCall` for
    anything else.
    """
    names = {tool.name for tool in tools}
    bare = _FENCE.sub("", text).strip()
    readings = {call for found in _readings(bare) if (call := _as_call(found, names)) is not None}
    if len(readings) != 1:
        raise UnreadableCall(f"the decoder wrote no valid call to one of its functions: {text.strip()[:200]!r}")
    return readings.pop()


_FENCE = re.compile(r"^\s*```\w*\s|```\s*$")
_STRING_OR_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(\s*[}\]])')


def _readings(text: str) -> Iterator[object]:
    """What `text` may mean; if it is valid JSON, only that."""
    with suppress(ValueError):
        yield json.loads(text)
        return
    text = _STRING_OR_COMMA.sub(lambda found: found[1] or found[2], text)
    with suppress(ValueError):
        value, end = json.JSONDecoder().raw_decode(text)
        if "{" not in text[end:]:
            yield value
    with suppress(ValueError):
        # The brace that is added closes the call: its arguments are closed already.
        yield json.loads(f"{text}}}" if text.endswith("}") else "")
    with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        yield ast.literal_eval(text)


def _as_call(found: object, names: Collection[str]) -> ToolCall | None:
    match found:
        case {"type": "function", "function": dict(inner), **others} if not others:
            return _as_call(inner, names)
        case {"name": str(name), "arguments": arguments, **others} if not others:
            pass
        case {"name": str(name), "parameters": arguments, **others} if not others:
            pass
        case {"name": str(name), **others} if not others:
            arguments = {}
        case _:
            return None
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    if not isinstance(arguments, dict) or (names and name not in names):
        return None
    return ToolCall(name, json.dumps(arguments))


class CallParser:
    """Separates speech from calls in a stream of text, however the tags are split over its pieces.

    Small models also write calls without the tags, in a Markdown fence, or as Python. Where there are tools, text from
    a brace, a fence or a function's name on is therefore held back until it turns out to be a call or not.
    """

    def __init__(self, tools: Sequence[Tool] = (), opening: str = "", *, strict: bool = True) -> None:
        """`tools`: those that may be called. `opening`: the start of a call, tag included, that precedes the stream.

        `strict`: whether a call that can't be read is an error; otherwise it stays text.
        """
        self._tools = tools
        self._strict = strict
        self._functions = tuple(f"{tool.name}(" for tool in tools)
        """How calls in Python begin."""
        self._openings = (CALL_OPENS, "{", "```", *self._functions) if tools else (CALL_OPENS,)
        self._opened = CALL_OPENS if opening.startswith(CALL_OPENS) else ""
        """How the call began that the text is in; "" in speech."""
        self._text = opening.removeprefix(CALL_OPENS)

    def push(self, text: str) -> Iterator[Token | ToolCall]:
        """Take the next piece. Raises `UnreadableCall`."""
        self._text += text
        while True:
            if not self._opened:
                start, opening = min(
                    ((self._text.find(opening), opening) for opening in self._openings if opening in self._text),
                    default=(-1, ""),
                )
                if not opening:
                    break
                if start:
                    yield Token(self._text[:start])
                self._opened = opening
                self._text = self._text[start:].removeprefix(CALL_OPENS)
            if self._opened in self._functions and self._is_no_call():
                yield Token(self._text[: len(self._opened)])
                self._opened, self._text = "", self._text[len(self._opened) :]
                continue
            if self._opened != CALL_OPENS:
                break
            call, found, after = self._text.partition(CALL_CLOSES)
            if not found:
                break
            yield self._parsed(call)
            self._opened, self._text = "", after
        if not self._opened:
            held = max(_held_back(self._text, opening) for opening in self._openings)
            ready, self._text = self._text[: len(self._text) - held], self._text[len(self._text) - held :]
            if ready:
                yield Token(ready)

    def finish(self) -> Iterator[Token | ToolCall]:
        """What was held back. A call that lacks only its closing tag counts. Raises `UnreadableCall`."""
        held, opened, self._text, self._opened = self._text, self._opened, "", ""
        if calls := python_calls(_FENCE.sub("", held).strip().rstrip("]"), self._tools):
            yield from calls
        elif opened == CALL_OPENS or (opened not in self._functions and _KEY.search(held)):
            yield self._parsed(held.replace(CALL_CLOSES, ""))
        elif held:
            yield Token(held)

    def _is_no_call(self) -> bool:
        """Whether the parentheses after a function's name have closed, and hold no arguments."""
        arguments, closed, _ = self._text.partition(")")
        return bool(closed) and "=" not in arguments and not python_calls(arguments + closed, self._tools)

    def _parsed(self, text: str) -> Token | ToolCall:
        try:
            return parse_call(text, self._tools)
        except UnreadableCall:
            if self._strict:
                raise
            return Token(text)


_KEY = re.compile(r"""["']\s*:""")
"""What tells JSON from a brace in a sentence: the end of a key."""


def _held_back(text: str, opening: str) -> int:
    """Length of the longest suffix of `text` that is a prefix of `opening`, but not all of it."""
    return next((n for n in range(min(len(text), len(opening) - 1), 0, -1) if opening.startswith(text[-n:])), 0)
