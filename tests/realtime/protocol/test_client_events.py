"""All other client events, and input that is not an event."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import commands as do
from pipeline.conversation.items import Message
from realtime.protocol.session import Received
from tests.support.protocol_session import WEATHER, WEATHER_WIRE, as_json, message, new_session, problem, send


@pytest.mark.parametrize(
    ("kind", "fields", "command"),
    [
        ("conversation.item.retrieve", {"item_id": "a"}, do.RetrieveItem("a", "mine")),
        ("conversation.item.delete", {"item_id": "a"}, do.DeleteItem("a", "mine")),
        (
            "conversation.item.truncate",
            {"item_id": "a", "content_index": 0, "audio_end_ms": 1_500},
            do.TruncateItem("a", 1.5, "mine"),
        ),
        ("response.cancel", {}, do.Cancel(None, "mine")),
        ("response.cancel", {"response_id": "r"}, do.Cancel("r", "mine")),
        ("response.create", {}, do.Respond(event_id="mine")),
        ("response.create", {"response": {}}, do.Respond(event_id="mine")),
        (
            "response.create",
            {
                "response": {
                    "conversation": "none",
                    "instructions": "Rhyme.",
                    "tools": [WEATHER_WIRE],
                    "tool_choice": {"type": "function", "name": "weather"},
                    "output_modalities": ["text"],
                    "max_output_tokens": 9,
                    "metadata": {"topic": "rain"},
                    "audio": {"output": {"voice": "ann", "format": {"type": "audio/pcm", "rate": 24_000}}},
                    "input": [message("user", {"type": "input_text", "text": "Hello."}, id="a")],
                }
            },
            do.Respond(
                instructions="Rhyme.",
                tools=(WEATHER,),
                tool_choice=WEATHER,
                modality="text",
                voice="ann",
                max_output_tokens=9,
                input=(Message("a", "user", "Hello."),),
                into_conversation=False,
                metadata={"topic": "rain"},
                event_id="mine",
            ),
        ),
    ],
)
def test_client_events_become_commands(kind: str, fields: dict[str, object], command: do.Command) -> None:
    assert send(new_session(), kind, **fields) == Received((command,))


@pytest.mark.parametrize(
    ("kind", "fields", "code", "param"),
    [
        ("output_audio_buffer.clear", {}, "unsupported_event", "type"),
        ("conversation.item.retrieve", {}, "missing_required_parameter", "item_id"),
        (
            "conversation.item.truncate",
            {"item_id": "a", "content_index": 1, "audio_end_ms": 0},
            "invalid_value",
            "content_index",
        ),
        (
            "conversation.item.truncate",
            {"item_id": "a", "content_index": 0, "audio_end_ms": -1},
            "invalid_value",
            "audio_end_ms",
        ),
        ("response.create", {"response": {"conversation": "conv_1"}}, "invalid_value", "response.conversation"),
        ("response.create", {"response": {"modalities": ["text"]}}, "beta_api_shape_disabled", "response"),
        ("session.update", {"session": {"modalities": ["text"]}}, "beta_api_shape_disabled", "session"),
        ("response.create", {"response": {"colour": "red"}}, "unknown_parameter", "response.colour"),
        ("response.create", {"response": {"metadata": {"k": "v" * 513}}}, "invalid_value", "response.metadata"),
        (
            "response.create",
            {"response": {"tool_choice": {"type": "function", "name": "x"}}},
            "invalid_value",
            "response.tool_choice.name",
        ),
        (
            "response.create",
            {"response": {"input": [message("user", {"type": "input_audio", "audio": "AAA="})]}},
            "unsupported_content",
            "response.input[0].content",
        ),
        ("input_audio_buffer.append", {}, "missing_required_parameter", "audio"),
        ("input_audio_buffer.append", {"audio": 1}, "invalid_type", "audio"),
        ("input_audio_buffer.append", {"audio": "", "more": 1}, "unknown_parameter", "more"),
        ("transcription_session.update", {}, "invalid_value", "type"),
    ],
)
def test_client_events_that_we_refuse(kind: str, fields: dict[str, object], code: str, param: str) -> None:
    assert problem(send(new_session(), kind, **fields)) == (code, param)


@pytest.mark.parametrize(
    ("response", "code", "param"),
    [
        ({"prompt": {"id": "x"}}, "unsupported_parameter", "response.prompt"),
        ({"audio": {"output": {"voice": "hal"}}}, "invalid_value", "response.audio.output.voice"),
        (
            {"audio": {"output": {"format": {"type": "audio/pcmu"}}}},
            "unsupported_parameter",
            "response.audio.output.format",
        ),
    ],
)
def test_a_response_is_given_without_what_we_do_not_have(response: dict[str, object], code: str, param: str) -> None:
    received = send(new_session(), "response.create", response=response)
    assert received.commands == (do.Respond(event_id="mine"),)
    [error] = as_json(received.events)
    assert (error["error"]["code"], error["error"]["param"]) == (code, param)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        ('{"type":NaN}', "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        ("[" * 10_000, "invalid_json"),
        ("[" * 50_000, "event_too_large"),
        (f'{{"type":"response.cancel","response_id":{"9" * 5_000}}}', "invalid_json"),
        (f'{{"type":"response.cancel","response_id":{"9" * 4_000}}}', "invalid_type"),
        ("{}", "missing_required_parameter"),
        ('{"type":null}', "missing_required_parameter"),
        ('{"type":["session.update"]}', "invalid_value"),
        ('{"type":"response.cancel","event_id":7}', "invalid_type"),
        (f'{{"type":"{"x" * 100_000}"}}', "event_too_large"),
        ("[" + "0," * 30_000 + "0]", "event_too_large"),
    ],
)
def test_malformed_events_are_refused(raw: str | bytes, code: str) -> None:
    assert problem(new_session().receive(raw))[0] == code


def test_an_error_names_the_event_that_caused_it() -> None:
    [error] = as_json(send(new_session(), "response.cancel", response_id=7).events)
    assert error["error"]["event_id"] == "mine"


KINDS = ["session.update", "input_audio_buffer.append", "conversation.item.create", "response.create"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["session", "audio", "item", "response", "type", "input", "output", "format", "tools", "content", "role"]
EVENTS = st.dictionaries(
    st.sampled_from(FIELDS),
    JSON | st.dictionaries(st.sampled_from([*FIELDS, "turn_detection", "metadata"]), JSON, max_size=4),
    max_size=5,
)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_come_to_commands_or_an_error(raw: str | bytes) -> None:
    received = new_session().receive(raw)
    assert received.commands or received.events


@given(st.sampled_from(KINDS), EVENTS)
def test_any_fields_come_to_commands_or_an_error(kind: str, fields: dict[str, object]) -> None:
    received = new_session().receive(json.dumps({**fields, "type": kind}))
    as_json(received.events)
    too_short = kind == "input_audio_buffer.append" and "audio" in fields  # of a few samples nothing comes yet
    assert received.commands or received.events or too_short


MESSAGE_WIRE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Sum it up."}]}


def test_items_of_the_conversation_are_given_as_input_by_reference() -> None:
    wire = [{"type": "item_reference", "id": "item_7"}, MESSAGE_WIRE]
    received = send(new_session(), "response.create", response={"conversation": "none", "input": wire})
    [command] = received.commands
    assert isinstance(command, do.Respond)
    assert command.input is not None
    assert command.input[0] == do.ItemReference("item_7")
    assert isinstance(command.input[1], Message)
