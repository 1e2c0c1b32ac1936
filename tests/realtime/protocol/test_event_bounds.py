"""What one event may cost: attacks with small values by the thousand, by the work that they cause."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeErrorEvent
from pydantic import ValidationError

from realtime.protocol.client_events import ADAPTERS
from realtime.protocol.event_bounds import MAX_COMMAS, MAX_CONTAINERS, MAX_DEPTH, MAX_MEMBERS, excess, too_large
from realtime.protocol.session import Session
from tests.support.protocol_session import OFFER, WEATHER_WIRE, message, new_session, problem, send, update


def respond(**fields: object) -> dict[str, object]:
    return {"type": "response.create", "response": fields}


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value


TEXT: dict[str, object] = {"type": "input_text", "text": "x"}
MANY = MAX_MEMBERS + 1


@pytest.mark.parametrize(
    ("event", "param"),
    [
        (respond(input=[{}] * MANY), "response.input"),
        (respond(input=[message("user", *[TEXT] * MANY)]), "response.input[0].content"),
        (respond(tools=[{}] * MANY), "response.tools"),
        (respond(**{f"k{number}": 1 for number in range(MANY)}), "response"),
        (respond(metadata={f"k{number}": 1 for number in range(MANY)}), "response.metadata"),
        ({"type": "session.update", "session": {"type": "realtime", "tools": [{}] * MANY}}, "session.tools"),
        ({"type": "conversation.item.create", "item": message("user", *[{}] * MANY)}, "item.content"),
    ],
)
def test_a_list_that_is_too_long_is_refused_by_its_place(event: dict[str, object], param: str) -> None:
    raw = json.dumps(event | {"event_id": "mine"})
    assert problem(new_session().receive(raw)) == ("event_too_large", param)


@pytest.mark.parametrize(
    "raw",
    ["[" * (MAX_CONTAINERS + 1), "{" * (MAX_CONTAINERS + 1), "," * (MAX_COMMAS + 1), b"[" * (MAX_CONTAINERS + 1)],
)
def test_structure_is_counted_before_it_is_parsed(raw: str | bytes) -> None:
    assert excess(raw) is not None
    assert problem(new_session().receive(raw)) == ("event_too_large", None)


def test_a_tool_takes_a_long_schema_but_no_endless_one() -> None:
    cities = {"type": "string", "enum": [f"city {number}" for number in range(500)]}
    tool = WEATHER_WIRE | {"parameters": {"type": "object", "properties": {"city": cities}}}
    assert update(new_session(), tools=[tool]).events == ()
    code, _ = problem(update(new_session(), tools=[tool | {"parameters": nested(MAX_DEPTH)}]))
    assert code == "event_too_large"


ITEMS = st.fixed_dictionaries({}, optional={
    "type": st.sampled_from(["message", "function_call", "mcp_call", "item_reference", "x", 1, None]),
    "role": st.sampled_from(["user", "system", "assistant", "x", 1]),
    "content": st.lists(st.sampled_from([TEXT, {}, {"x": 1}, 1]), max_size=3),
    "id": st.sampled_from(["a", 1]),
    "more": st.just(1),
})  # fmt: skip


@given(st.lists(ITEMS, min_size=1, max_size=3))
def test_wrong_items_cost_no_more_errors_than_the_first_of_them(items: list[dict[str, Any]]) -> None:
    assert too_large(respond(input=items), 10_000) is None
    assert errors(respond(input=items * 40)) == errors(respond(input=items)) <= 20


def errors(event: dict[str, object]) -> int:
    """Validation errors that are built for an event."""
    try:
        ADAPTERS[str(event["type"])].validate_python(event, strict=True, extra="forbid")
    except ValidationError as error:
        return error.error_count()
    return 0


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ({}, "missing_required_parameter", "item.type"),
        ({"type": "song"}, "invalid_value", "item.type"),
        ({"type": "message", "content": []}, "missing_required_parameter", "item.role"),
        ({"type": "message", "role": "owner", "content": []}, "invalid_value", "item.role"),
        ([], "invalid_type", "item"),
        ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
    ],
)
def test_an_item_of_no_kind_is_refused_by_the_field_that_decides(item: object, code: str, param: str) -> None:
    assert problem(send(new_session(), "conversation.item.create", item=item)) == (code, param)


LONG = "x" * 513


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "conversation.item.create", "item": message("user", TEXT, id="x" * 65)}, "item.id"),
        ({"type": "conversation.item.create", "previous_item_id": LONG, "item": message("user")}, "previous_item_id"),
        ({"type": "conversation.item.create", "item": {"type": "function_call", "name": LONG}}, "item.name"),
        ({"type": "conversation.item.create", "item": {"type": "function_call", "call_id": LONG}}, "item.call_id"),
        ({"type": "conversation.item.retrieve", "item_id": LONG}, "item_id"),
        ({"type": "response.cancel", "response_id": LONG}, "response_id"),
        ({"type": "response.cancel", "event_id": LONG}, "event_id"),
        (respond(input=[message("user", TEXT, id="x" * 65)]), "response.input[0].id"),
        ({"type": "session.update", "session": {"tools": [WEATHER_WIRE | {"name": LONG}]}}, "session.tools[0].name"),
    ],
)
def test_an_id_or_a_name_that_is_too_long_is_refused(event: dict[str, object], param: str) -> None:
    [answer] = new_session().receive(json.dumps(event)).events
    assert isinstance(answer, RealtimeErrorEvent)
    assert (answer.error.code, answer.error.param) == ("string_above_max_length", param)
    assert len(answer.error.message) < 200


@pytest.mark.parametrize(
    "session",
    [
        {"instructions": "x" * 2_000},
        {"tools": [WEATHER_WIRE | {"description": "x" * 2_000}]},
        {"tools": [WEATHER_WIRE | {"parameters": {"x" * 2_000: 1}}]},
        {"tools": [WEATHER_WIRE | {"parameters": {"enum": ["x" * 500] * 4}}]},
        {"audio": {"input": {"transcription": {"model": "x" * 2_000}}}},
        {"model": "x" * 2_000},
    ],
)
def test_text_that_no_prompt_can_hold_is_refused_by_the_setting_that_bounds_it(session: dict[str, object]) -> None:
    small = Session(replace(OFFER, max_characters=1_000), "gpt-realtime", max_event_bytes=100_000)
    [answer] = update(small, **session).events
    assert isinstance(answer, RealtimeErrorEvent)
    assert answer.error.code == "string_above_max_length"
    assert "decoder.context_tokens" in answer.error.message


def test_audio_is_not_bounded_by_the_text_that_a_prompt_can_hold() -> None:
    small = Session(replace(OFFER, max_characters=1_000), "gpt-realtime", max_event_bytes=100_000)
    assert send(small, "input_audio_buffer.append", audio="A" * 40_000).commands
    spoken = message("user", {"type": "input_audio", "audio": "A" * 40_000})
    assert send(small, "conversation.item.create", item=spoken).commands


def test_the_variables_of_a_prompt_are_not_validated() -> None:
    variables = {f"k{number}": {"type": "song"} for number in range(MAX_MEMBERS)}
    [answer] = send(new_session(), "response.create", response={"prompt": {"id": "x", "variables": variables}}).events
    assert isinstance(answer, RealtimeErrorEvent)
    assert (answer.error.code, answer.error.param) == ("unsupported_parameter", "response.prompt")
