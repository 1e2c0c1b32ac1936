import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decoders import hermes
from pipeline.decoders.decoder import DecoderError, Token, Tool, ToolCall

CALL = ToolCall("weather", json.dumps({"city": "Oslo"}))
WRITTEN = f"{hermes.CALL_OPENS}{hermes.call_text(CALL.name, CALL.arguments)}{hermes.CALL_CLOSES}"
TEXT = f"One moment. {WRITTEN} And <this> is < no call, nor is <tool_cal"


TOOLS = [Tool("weather", "The weather.", {"type": "object"}), Tool("clock", "The time.", {"type": "object"})]


def parse(pieces: list[str], tools: Sequence[Tool] = ()) -> tuple[str, list[ToolCall]]:
    parser = hermes.CallParser(tools)
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


BROKEN = [
    "no json",
    "[1]",
    '{"arguments": {}}',
    '{"name": "weather", "arguments": [1]}',
    '{"name": "weather", "arguments": {}, "more": 1}',
    '{"name": "wether", "arguments": {"city": "Oslo"}}',
    '{"name": "weather", "arguments": {"city": "Os',
    '{"name": "weather", "arguments": {"days": 1',
    '{"name": "weather", "arguments": {"city": "Oslo"',
    '{"name": "weather", "arguments": {"city": "Oslo"}} {"name": "clock", "arguments": {}}',
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_call_is_an_error(text: str) -> None:
    with pytest.raises(DecoderError, match="no valid call to one of its functions"):
        parse([f"<tool_call>{text}</tool_call>"], TOOLS)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "weather", "arguments": {"city": "Oslo"}}',
        '{"name": "weather", "parameters": {"city": "Oslo"}}',
        '{"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}',
        '{"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}',
        '{"name": "weather", "arguments": {"city": "Oslo"}',
        '{"name": "weather", "arguments": {"city": "Oslo",},}',
        '{"name": "weather", "arguments": {"city": "Oslo"}}}',
        "{'name': 'weather', 'arguments': {'city': 'Oslo'}}",
        '```json\n{"name": "weather", "arguments": {"city": "Oslo"}}\n```',
    ],
)
@pytest.mark.parametrize("form", ["<tool_call>\n{}\n</tool_call>", "<tool_call>{}", "{}"])
def test_a_call_with_one_possible_reading_is_that_call(text: str, form: str) -> None:
    assert parse([form.replace("{}", text)], TOOLS) == ("", [CALL])


def test_a_repair_leaves_strings_alone() -> None:
    text = '{"name": "clock", "arguments": {"note": "a,} b", "zone": "}",}}'
    assert parse([f"<tool_call>{text}</tool_call>"], TOOLS)[1] == [
        ToolCall("clock", json.dumps({"note": "a,} b", "zone": "}"}))
    ]


BARE = f'One moment. {{"name": "weather", "arguments": {CALL.arguments}}}'


@given(st.lists(st.integers(0, len(BARE)), max_size=20))
def test_a_call_without_tags_is_a_call_and_never_spoken(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(BARE)]
    assert parse([BARE[start:end] for start, end in pairwise(edges)], TOOLS) == ("One moment. ", [CALL])


@pytest.mark.parametrize("text", [text for text in BROKEN if '"name"' in text])
def test_a_broken_call_without_tags_is_never_spoken(text: str) -> None:
    parser = hermes.CallParser(TOOLS)
    assert list(parser.push(f"Well. {text}")) == [Token("Well. ")]
    with pytest.raises(DecoderError, match="no valid call"):
        list(parser.finish())


@pytest.mark.parametrize("text", ["The set {1, 2} has two members.", "Type three ``` marks."])
def test_braces_in_a_sentence_are_spoken(text: str) -> None:
    assert parse([text], TOOLS) == (text, [])
    assert list(hermes.CallParser().push(text)) == [Token(text)]


def test_the_schema_allows_the_tools_and_nothing_else() -> None:
    clock = Tool("clock", "The time.", {"type": "object", "properties": {}})
    weather = Tool("weather", "The weather.", {"type": "object"})
    assert hermes.call_schema([clock])["properties"] == {
        "name": {"const": "clock"},
        "arguments": {"type": "object", "properties": {}, "additionalProperties": False},
    }
    assert len(hermes.call_schema([clock, weather])["anyOf"]) == 2  # type: ignore[arg-type]
    assert hermes.describe([]) == ""
    described = hermes.describe([clock, weather])
    assert '"weather"' in described
    assert hermes.CALL_OPENS in described
    assert hermes.RESULT_OPENS in described


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


CITY = [Tool("weather", "", {"type": "object", "properties": {"city": {}, "days": {}}}), Tool("clock", "", {})]
IN_PYTHON = {
    'weather(city="Oslo")': [CALL],
    'weather("Oslo")': [CALL],
    "[weather(city='Oslo'), clock()]": [CALL, ToolCall("clock", "{}")],
    "weather(city='Oslo')\nclock()": [CALL, ToolCall("clock", "{}")],
    "```python\nweather(city='Oslo')\n```": [CALL],
    "weather(city='Oslo (north)')": [ToolCall("weather", '{"city": "Oslo (north)"}')],
    "Weather in weather(s) is fine.": [],
    "weather(city=home)": [],
    "weather('Oslo', 1, 2)": [],
    "forecast(city='Oslo')": [],
    "print(weather(city='Oslo'))": [],
}


@pytest.mark.parametrize("text", IN_PYTHON)
def test_a_call_of_a_known_tool_in_python_is_one(text: str) -> None:
    found, calls = parse(list(text), CITY)
    assert calls == IN_PYTHON[text]
    assert found.strip("[") == ("" if calls else text)


def test_text_after_what_looked_like_a_call_is_not_held_back() -> None:
    parser = hermes.CallParser(CITY)
    parts = [*parser.push("Weather in weather(s) "), *parser.push("is fine ")]
    assert "".join(part.text for part in parts if isinstance(part, Token)) == "Weather in weather(s) is fine "
