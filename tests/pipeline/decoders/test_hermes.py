import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decoders import hermes
from pipeline.decoders.decoder import DecoderError, Token, Tool, ToolCall

CALL = ToolCall("weather", json.dumps({"city": "Oslo"}))
TEXT = f"One moment. {hermes.call_text(CALL.name, CALL.arguments)} And <this> is < no call, nor is <tool_cal"


def parse(pieces: list[str]) -> tuple[str, list[ToolCall]]:
    parser = hermes.CallParser()
    parts = [part for piece in pieces for part in parser.push(piece)] + list(parser.finish())
    text = "".join(part.text for part in parts if isinstance(part, Token))
    return text, [part for part in parts if isinstance(part, ToolCall)]


@given(st.lists(st.integers(0, len(TEXT)), max_size=40))
def test_speech_and_calls_are_parted_however_the_text_is_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(TEXT)]
    pieces = [TEXT[start:end] for start, end in pairwise(edges)]
    text, calls = parse(pieces)
    assert text == "One moment.  And <this> is < no call, nor is <tool_cal"
    assert calls == [CALL]


def test_text_is_not_held_back_without_need() -> None:
    parser = hermes.CallParser()
    assert list(parser.push("Hello the")) == [Token("Hello the")]
    assert list(parser.push("re <")) == [Token("re ")]


def test_a_call_without_its_closing_tag_is_a_call() -> None:
    assert parse(['<tool_call>\n{"name": "clock", "arguments": {}}']) == ("", [ToolCall("clock", "{}")])


@pytest.mark.parametrize("text", ["no json", "[1]", '{"arguments": {}}'])
def test_a_broken_call_is_an_error(text: str) -> None:
    with pytest.raises(DecoderError, match="not valid JSON"):
        parse([f"<tool_call>{text}</tool_call>"])


def test_the_schema_allows_the_tools_and_nothing_else() -> None:
    clock = Tool("clock", "The time.", {"type": "object", "properties": {}})
    weather = Tool("weather", "The weather.", {"type": "object"})
    assert hermes.call_schema([clock])["properties"] == {
        "name": {"const": "clock"},
        "arguments": {"type": "object", "properties": {}, "additionalProperties": False},
    }
    assert len(hermes.call_schema([clock, weather])["anyOf"]) == 2  # type: ignore[arg-type]
    assert hermes.describe([]) == ""
    assert '"weather"' in hermes.describe([clock, weather])


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 10**9},
            {"type": "array", "items": {"type": "string"}},
        ),
        ({"type": "string", "pattern": "(a*)*", "maxLength": 10**9}, {"type": "string"}),
        ({"type": "integer", "minimum": 1}, {"type": "integer"}),
        ({"$ref": "#/$defs/endless"}, {}),
        ({"enum": ["C", "F"], "description": "The unit."}, {"enum": ["C", "F"]}),
        ("no schema", {}),
    ],
)
def test_a_client_can_not_make_a_grammar_explode(schema: object, shape: object) -> None:
    tool = Tool("any", "", {"type": "object", "properties": {"value": schema}})
    assert arguments_of(tool)["properties"]["value"] == shape


def test_an_enormous_schema_is_only_an_object() -> None:
    many = Tool("any", "", {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(1000)}})
    deep: dict[str, object] = {"type": "string"}
    for _ in range(50):
        deep = {"type": "array", "items": deep}
    assert arguments_of(many) == {"type": "object"}
    assert len(json.dumps(arguments_of(Tool("any", "", {"properties": {"deep": deep}})))) < 400


def arguments_of(tool: Tool) -> dict[str, Any]:
    schema: Any = hermes.call_schema([tool])
    arguments: dict[str, Any] = schema["properties"]["arguments"]
    return arguments
