"""Function calls in plain text, in the Hermes convention (`<tool_call>{...}</tool_call>`) that open models are taught.

Source: https://github.com/NousResearch/Hermes-Function-Calling. Pure: prompt text out, calls in.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.decoders.decoder import DecoderError, Token, Tool, ToolCall

CALL_OPENS = "<tool_call>"
CALL_CLOSES = "</tool_call>"


def describe(tools: Sequence[Tool]) -> str:
    """What the instructions must say so that a model can call `tools`; empty without any."""
    if not tools:
        return ""
    signatures = "\n".join(
        json.dumps({"name": tool.name, "description": tool.description, "parameters": tool.parameters})
        for tool in tools
    )
    return (
        "\n\nYou can call these functions:\n<tools>\n"
        f"{signatures}\n</tools>\n"
        "Call one only if the request needs it, and then write nothing but\n"
        f'{CALL_OPENS}\n{{"name": <function name>, "arguments": <arguments object>}}\n{CALL_CLOSES}'
    )


def call_text(name: str, arguments: str) -> str:
    """A call as the model would have written it."""
    return f'{CALL_OPENS}\n{{"name": {json.dumps(name)}, "arguments": {arguments or "{}"}}}\n{CALL_CLOSES}'


def result_text(output: str) -> str:
    return f"<tool_response>\n{output}\n</tool_response>"


def call_schema(tools: Sequence[Tool]) -> dict[str, object]:
    """The JSON Schema of a call to any one of `tools`, for decoding that can write nothing else."""
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
    """The shape of a call's arguments, and nothing that costs more to enforce than it is worth.

    A small model left free to add arguments goes on adding them, so what is not said is not allowed. The schema is the
    client's and becomes a grammar in the server's memory, where a `minItems` of a billion is a billion rules: counts,
    lengths, patterns and references stay out, and a schema of more than 500 parts is only "an object".
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


def parse_call(text: str) -> ToolCall:
    """Read the JSON between the tags. Raises `DecoderError` if it is no call."""
    try:
        call = json.loads(text)
        return ToolCall(name=str(call["name"]), arguments=json.dumps(call.get("arguments", {})))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DecoderError(
            f"the decoder wrote a function call that is not valid JSON: {text.strip()[:200]!r}"
        ) from None


class CallParser:
    """Parts speech from calls in a stream of text, however the tags are split over its pieces."""

    def __init__(self) -> None:
        self._text = ""
        self._in_call = False

    def push(self, text: str) -> Iterator[Token | ToolCall]:
        self._text += text
        while True:
            tag = CALL_CLOSES if self._in_call else CALL_OPENS
            before, found, after = self._text.partition(tag)
            if not found:
                break
            self._text = after
            if self._in_call:
                yield parse_call(before)
            elif before:
                yield Token(before)
            self._in_call = not self._in_call
        if not self._in_call:
            held = _possible_tag(self._text)
            ready, self._text = self._text[: len(self._text) - held], self._text[len(self._text) - held :]
            if ready:
                yield Token(ready)

    def finish(self) -> Iterator[Token | ToolCall]:
        """What was held back. A call that lacks only its closing tag is taken as one."""
        if self._in_call:
            yield parse_call(self._text)
        elif self._text:
            yield Token(self._text)
        self._text = ""


def _possible_tag(text: str) -> int:
    """Length of the longest end of `text` that an opening tag may begin with."""
    return next((n for n in range(min(len(text), len(CALL_OPENS) - 1), 0, -1) if CALL_OPENS.startswith(text[-n:])), 0)
