"""The protocol's core by tables: client events in, commands out; what happened in the agent in, server events out."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter

from pipeline import commands as do
from pipeline import events as on
from pipeline.decoders.decoder import Tool
from pipeline.items import FunctionCall, FunctionOutput, Item, Message
from pipeline.timeline import Timeline
from realtime.describe import Offer
from realtime.extensions import Extensions
from realtime.session import Received, Session
from realtime.wire import serialize

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"

SETTINGS = do.SessionSettings(
    instructions="Be kind.",
    tools=(),
    tool_choice="auto",
    modality="audio",
    voice="joe",
    output_rate=22_050,
    max_output_tokens=None,
    turn_detection=do.ServerVad(0.6, 0.2, 0.4),
    transcribe=True,
)
OFFER = Offer(SETTINGS, voices=("joe", "ann"), transcriber="whisper-tiny.en", language="en")
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
WEATHER_WIRE = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": WEATHER.parameters,
}


def new_session() -> Session:
    return Session(OFFER, "gpt-realtime", max_event_bytes=100_000, extensions=Extensions(timeline=True))


def send(session: Session, kind: str, /, **fields: object) -> Received:
    return session.receive(json.dumps({"type": kind, "event_id": "mine", **fields}))


def update(session: Session, /, **fields: object) -> Received:
    return send(session, "session.update", session={"type": "realtime", **fields})


def told(events: object) -> list[dict[str, Any]]:
    """Server events as the client reads them; each has an id of its own and is valid by the official types."""
    read = [json.loads(serialize(event)) for event in events]  # type: ignore[attr-defined]
    ids = {event.pop("event_id") for event in read}
    assert len(ids) == len(read)
    return read


def report(session: Session, *events: on.Event) -> list[dict[str, Any]]:
    return told([server_event for event in events for server_event in session.report(event)])


def problem(received: Received) -> tuple[str, str | None]:
    """The code and the param of the one error that a client event came to."""
    assert received.commands == ()
    [error] = told(received.events)
    assert error["type"] == "error"
    assert error["error"]["message"]
    return error["error"]["code"], error["error"]["param"]


# Session objects


def test_a_session_begins_with_all_that_is_in_force() -> None:
    [event] = told(new_session().open())
    session = event["session"]
    assert event["type"] == "session.created"
    assert session.pop("id").startswith("sess_")
    assert session == {
        "type": "realtime",
        "object": "realtime.session",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "Be kind.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {"model": "whisper-tiny.en"},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.6,
                    "prefix_padding_ms": 200,
                    "silence_duration_ms": 400,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "joe", "speed": 1.0},
        },
    }


FIRST = replace(SETTINGS, output_rate=24_000)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"instructions": "Be brief."}, {"instructions": "Be brief."}),
        ({"instructions": None}, {}),
        ({"instructions": ""}, {"instructions": ""}),
        ({"output_modalities": ["text"]}, {"modality": "text"}),
        ({"max_output_tokens": 64}, {"max_output_tokens": 64}),
        ({"max_output_tokens": "inf"}, {}),
        ({"tools": [WEATHER_WIRE]}, {"tools": (WEATHER,)}),
        (
            {"tools": [WEATHER_WIRE], "tool_choice": {"type": "function", "name": "weather"}},
            {"tools": (WEATHER,), "tool_choice": WEATHER},
        ),
        (
            {"tools": [{"type": "function", "name": "now"}]},
            {"tools": (Tool("now", "", {"type": "object", "properties": {}}),)},
        ),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        ({"audio": {"input": {"transcription": None}}}, {"transcribe": False}),
        ({"audio": {"input": {"transcription": {"model": "whisper-1", "language": "en-GB"}}}}, {}),
        ({"audio": {"input": {"turn_detection": None}}}, {"turn_detection": None}),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.9}}}},
            {"turn_detection": do.ServerVad(0.9, 0.2, 0.4)},
        ),
        (
            {
                "audio": {
                    "input": {
                        "turn_detection": {
                            "type": "server_vad",
                            "prefix_padding_ms": 100,
                            "silence_duration_ms": 700,
                            "idle_timeout_ms": 6_000,
                            "create_response": False,
                            "interrupt_response": False,
                        }
                    }
                }
            },
            {"turn_detection": do.ServerVad(0.6, 0.1, 0.7, 6.0, False, False)},
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}},
            {"turn_detection": do.SemanticVad("low")},
        ),
        ({"audio": {"output": {"voice": "ann", "speed": 1}}}, {"voice": "ann"}),
        ({"audio": {"output": {"voice": {"id": "ann"}}}}, {"voice": "ann"}),
        ({"audio": {"output": {"format": {"type": "audio/pcm", "rate": 16_000}}}}, {"output_rate": 16_000}),
        ({"audio": {"output": {"format": {"type": "audio/pcmu"}}}}, {"output_rate": 8_000}),
        ({"audio": {"input": {"noise_reduction": None}}}, {}),
        ({"truncation": "auto", "tracing": None, "include": [], "prompt": None}, {}),
        ({"model": "another"}, {}),
    ],
)
def test_an_update_changes_what_it_names(fields: dict[str, object], expected: dict[str, object]) -> None:
    received = update(new_session(), **fields)
    assert received == Received((do.Update(replace(FIRST, **expected)),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"audio": {"input": {"noise_reduction": {"type": "near_field"}}}}, "session.audio.input.noise_reduction"),
        ({"audio": {"input": {"transcription": {"language": "de"}}}}, "session.audio.input.transcription.language"),
        ({"audio": {"input": {"transcription": {"prompt": "names"}}}}, "session.audio.input.transcription.prompt"),
        ({"audio": {"output": {"speed": 1.2}}}, "session.audio.output.speed"),
        ({"tracing": "auto"}, "session.tracing"),
        ({"truncation": "disabled"}, "session.truncation"),
        ({"truncation": {"type": "retention_ratio", "retention_ratio": 0.5}}, "session.truncation"),
        ({"prompt": {"id": "pmpt_1"}}, "session.prompt"),
        ({"include": ["item.input_audio_transcription.logprobs"]}, "session.include"),
        ({"reasoning": {"effort": "low"}}, "session.reasoning"),
        ({"parallel_tool_calls": False}, "session.parallel_tool_calls"),
    ],
)
def test_what_we_do_not_have_is_said_and_the_rest_of_the_update_holds(fields: dict[str, object], param: str) -> None:
    received = update(new_session(), instructions="Be brief.", **fields)
    assert received.commands == (do.Update(replace(FIRST, instructions="Be brief.")),)
    [error] = told(received.events)
    assert (error["error"]["code"], error["error"]["param"]) == ("unsupported_parameter", param)
    assert error["error"]["event_id"] == "mine"


def test_an_unknown_voice_is_answered_with_those_there_are() -> None:
    received = update(new_session(), audio={"output": {"voice": "marin"}})
    assert received.commands == (do.Update(FIRST),)
    assert told(received.events)[0]["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "Invalid value: 'marin'. Supported values are: 'joe', 'ann'.",
        "param": "session.audio.output.voice",
        "event_id": "mine",
    }


def test_a_voice_that_is_not_at_hand_is_answered_with_what_to_do() -> None:
    session = Session(replace(OFFER, absent={"eve": "run antiphon models pull eve"}), "m", max_event_bytes=10_000)
    received = update(session, audio={"output": {"voice": "eve"}})
    assert received.commands == (do.Update(FIRST),)
    message = told(received.events)[0]["error"]["message"]
    assert message == "The voice 'eve' is not on this server: run antiphon models pull eve."


def test_a_voice_that_could_not_be_loaded_stays_what_it_was() -> None:
    session = new_session()
    [command] = update(session, audio={"output": {"voice": "ann"}}).commands
    assert isinstance(command, do.Update)
    (updated,) = report(session, on.Updated(replace(command.settings, voice="joe")))
    assert updated["session"]["audio"]["output"]["voice"] == "joe"
    assert update(session).commands == (do.Update(FIRST),)


def test_a_voice_that_a_session_could_not_begin_with_is_reported_as_what_it_is() -> None:
    session = new_session()
    (updated,) = report(session, on.Updated(replace(FIRST, voice="ann")))
    assert updated["session"]["audio"]["output"]["voice"] == "ann"
    assert update(session).commands == (do.Update(replace(FIRST, voice="ann")),)


def test_the_voice_stays_once_it_was_heard() -> None:
    session = new_session()
    start_answer(session)
    report(session, on.OutputAudio("resp_1", 0, "item_1", np.zeros(2, np.float32), Timeline()))
    received = update(session, audio={"output": {"voice": "ann"}})
    assert received.commands == (do.Update(FIRST),)
    assert told(received.events)[0]["error"]["code"] == "cannot_update_voice"
    assert update(session, audio={"output": {"voice": "joe"}}).events == ()


VAD = "session.audio.input.turn_detection"


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"type": "transcription"}, "unsupported_session_type", "session.type"),
        ({"type": "conversation"}, "invalid_value", "session.type"),
        ({"voice": "joe"}, "unknown_parameter", "session.voice"),
        ({"output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities"),
        ({"output_modalities": []}, "invalid_value", "session.output_modalities"),
        ({"max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
        ({"max_output_tokens": 4097}, "invalid_value", "session.max_output_tokens"),
        ({"max_output_tokens": "lots"}, "invalid_type", "session.max_output_tokens"),
        ({"instructions": 7}, "invalid_type", "session.instructions"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "unsupported_tool", "session.tools[0].type"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        ({"tools": [WEATHER_WIRE, WEATHER_WIRE]}, "invalid_value", "session.tools[1].name"),
        (
            {"tools": [{"type": "function", "name": "x", "parameters": []}]},
            "invalid_type",
            "session.tools[0].parameters",
        ),
        ({"tool_choice": {"type": "function", "name": "x"}}, "invalid_value", "session.tool_choice.name"),
        ({"tool_choice": {"type": "mcp", "server_label": "x"}}, "unsupported_tool", "session.tool_choice.type"),
        ({"audio": {"input": {"format": {"type": "audio/mp3"}}}}, "invalid_value", "session.audio.input.format.type"),
        (
            {"audio": {"input": {"format": {"rate": 24_000}}}},
            "missing_required_parameter",
            "session.audio.input.format.type",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 44_100}}}},
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        ({"audio": {"input": {"turn_detection": {"type": "vad"}}}}, "invalid_value", f"{VAD}.type"),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
            "invalid_value",
            f"{VAD}.threshold",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 1}}}},
            "invalid_value",
            f"{VAD}.idle_timeout_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "threshold": 1}}}},
            "unknown_parameter",
            f"{VAD}.threshold",
        ),
    ],
)
def test_a_wrong_value_refuses_the_whole_update(fields: dict[str, object], code: str, param: str) -> None:
    session = new_session()
    received = send(session, "session.update", session={"type": "realtime", **fields})
    assert problem(received) == (code, param)
    assert update(session).commands == (do.Update(FIRST),)


def test_updates_add_up_and_each_is_confirmed_as_it_stood() -> None:
    session = new_session()
    first, second = update(session, instructions="One."), update(session, output_modalities=["text"])
    assert second.commands == (do.Update(replace(FIRST, instructions="One.", modality="text")),)
    confirmed = report(
        session,
        *(on.Updated(command.settings) for command in first.commands + second.commands),  # type: ignore[union-attr]
    )
    seen = [(event["session"]["instructions"], event["session"]["output_modalities"]) for event in confirmed]
    assert seen == [("One.", ["audio"]), ("One.", ["text"])]


def test_tools_that_go_take_the_choice_of_them_along() -> None:
    session = new_session()
    update(session, tools=[WEATHER_WIRE], tool_choice={"type": "function", "name": "weather"})
    assert problem(update(session, tools=[])) == ("invalid_value", "session.tool_choice.name")
    assert update(session, tools=[], tool_choice="auto").commands == (do.Update(FIRST),)


# Audio in


def append(session: Session, data: bytes) -> Received:
    return send(session, "input_audio_buffer.append", audio=base64.b64encode(data).decode())


def test_audio_comes_in_at_16_khz() -> None:
    session = new_session()
    update(session, audio={"input": {"format": {"type": "audio/pcm", "rate": 16_000}}})
    [command] = append(session, b"\x00\x40\x00\xc0").commands
    assert isinstance(command, do.Audio)
    assert command.pcm.dtype == np.float32
    assert command.pcm.tolist() == [0.5, -0.5]


def test_a_second_in_every_format_is_a_second() -> None:
    for wire, size in [
        ({"type": "audio/pcm", "rate": 24_000}, 48_000),
        ({"type": "audio/pcm", "rate": 8_000}, 16_000),
        ({"type": "audio/pcmu"}, 8_000),
        ({"type": "audio/pcma"}, 8_000),
    ]:
        session = new_session()
        update(session, audio={"input": {"format": wire}})
        samples = 0
        for command in append(session, bytes(size)).commands:
            assert isinstance(command, do.Audio)
            samples += len(command.pcm)
        assert 15_500 <= samples <= 16_000


def test_an_append_of_nothing_is_nothing() -> None:
    assert append(new_session(), b"") == Received()


@pytest.mark.parametrize(
    ("audio", "code"), [("AAA", "invalid_base64"), ("§", "invalid_base64"), ("AAAA", "invalid_audio")]
)
def test_broken_audio_is_refused(audio: str, code: str) -> None:
    assert problem(send(new_session(), "input_audio_buffer.append", audio=audio)) == (code, "audio")


def test_a_manual_commit_needs_a_tenth_of_a_second() -> None:
    session = new_session()
    update(session, audio={"input": {"turn_detection": None}})
    assert problem(send(session, "input_audio_buffer.commit")) == ("input_audio_buffer_commit_empty", None)
    append(session, bytes(4_798))
    assert problem(send(session, "input_audio_buffer.commit")) == ("input_audio_buffer_commit_empty", None)
    append(session, bytes(2))
    assert send(session, "input_audio_buffer.commit") == Received((do.Commit("mine"),))
    assert problem(send(session, "input_audio_buffer.commit"))[0] == "input_audio_buffer_commit_empty"
    append(session, bytes(9_600))
    assert send(session, "input_audio_buffer.clear") == Received((do.Clear(),))
    assert problem(send(session, "input_audio_buffer.commit"))[0] == "input_audio_buffer_commit_empty"


def test_with_turn_detection_the_agent_knows_what_a_commit_finds() -> None:
    assert send(new_session(), "input_audio_buffer.commit") == Received((do.Commit("mine"),))


# Items


def message(role: str, *content: dict[str, object], **fields: object) -> dict[str, object]:
    return {"type": "message", "role": role, "content": list(content), **fields}


@pytest.mark.parametrize(
    ("wire", "item"),
    [
        (
            message("user", {"type": "input_text", "text": "Hello."}, id="a"),
            Message("a", "user", "Hello."),
        ),
        (
            message("user", {"type": "input_text", "text": "One."}, {"type": "input_text", "text": "Two."}, id="a"),
            Message("a", "user", "One.\nTwo."),
        ),
        (
            message("user", {"type": "input_audio", "transcript": "Hello."}, id="a"),
            Message("a", "user", "Hello.", spoken=True),
        ),
        (message("system", {"type": "input_text", "text": "Rhyme."}, id="a"), Message("a", "system", "Rhyme.")),
        (
            message("assistant", {"type": "output_text", "text": "Hi."}, id="a", status="incomplete"),
            Message("a", "assistant", "Hi."),
        ),
        (
            message("assistant", {"type": "output_audio", "transcript": "Hi."}, id="a"),
            Message("a", "assistant", "Hi.", spoken=True),
        ),
        (
            {"type": "function_call", "id": "a", "call_id": "c", "name": "weather", "arguments": "{}"},
            FunctionCall("a", "c", "weather", "{}"),
        ),
        (
            {"type": "function_call_output", "id": "a", "call_id": "c", "output": "rain"},
            FunctionOutput("a", "c", "rain"),
        ),
    ],
)
def test_items_are_added(wire: dict[str, object], item: Item) -> None:
    received = send(new_session(), "conversation.item.create", item=wire, previous_item_id="root")
    assert received == Received((do.AddItem(item, "root", "mine"),))


def test_an_item_without_an_id_gets_one() -> None:
    [command] = send(
        new_session(), "conversation.item.create", item=message("user", {"type": "input_text", "text": "Hi."})
    ).commands
    assert isinstance(command, do.AddItem)
    assert command.item.id.startswith("item_")
    assert command.after is None


def test_a_spoken_message_brings_its_sound() -> None:
    audio = base64.b64encode(bytes(48_000)).decode()
    item = message("user", {"type": "input_audio", "audio": audio}, id="a")
    [command] = send(new_session(), "conversation.item.create", item=item).commands
    assert isinstance(command, do.AddItem)
    assert command.item == Message("a", "user", None, spoken=True)
    assert command.audio is not None
    assert len(command.audio) == 16_000


CONTENT = "item.content"


@pytest.mark.parametrize(
    ("wire", "code", "param"),
    [
        (message("user", {"type": "input_image", "image_url": "data:"}), "unsupported_content", CONTENT),
        (message("user"), "unsupported_content", CONTENT),
        (message("user", {"type": "text", "text": "x"}), "invalid_value", f"{CONTENT}[0].type"),
        (message("user", {"type": "input_audio"}), "missing_required_parameter", f"{CONTENT}[0].audio"),
        (message("user", {"type": "input_audio", "audio": "AAA"}), "invalid_base64", f"{CONTENT}[0].audio"),
        (message("user", {"type": "input_audio", "audio": "AAAA"}), "invalid_audio", f"{CONTENT}[0].audio"),
        (message("user", {"type": "input_audio", "audio": ""}), "invalid_audio", f"{CONTENT}[0].audio"),
        (
            message("user", {"type": "input_audio", "audio": ""}, {"type": "input_audio", "audio": ""}),
            "unsupported_content",
            f"{CONTENT}[1]",
        ),
        (
            message("assistant", {"type": "output_audio", "audio": "AAAA"}),
            "unsupported_content",
            f"{CONTENT}[0].audio",
        ),
        (message("assistant", {"text": "x"}), "missing_required_parameter", f"{CONTENT}[0]"),
        (message("robot"), "invalid_value", "item.role"),
        ({"type": "poem"}, "invalid_value", "item.type"),
        ({"type": "item_reference", "id": "x"}, "invalid_value", "item.type"),
        ({"type": "function_call_output", "output": "x"}, "missing_required_parameter", "item.call_id"),
        (
            {"type": "mcp_approval_response", "id": "x", "approval_request_id": "y", "approve": True},
            "unsupported_item",
            "item.type",
        ),
    ],
)
def test_items_that_we_can_not_take(wire: dict[str, object], code: str, param: str) -> None:
    assert problem(send(new_session(), "conversation.item.create", item=wire)) == (code, param)


# Everything else that a client may send


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
        ("response.create", {"response": {"modalities": ["text"]}}, "unknown_parameter", "response.modalities"),
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
        ({"audio": {"output": {"voice": "marin"}}}, "invalid_value", "response.audio.output.voice"),
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
    [error] = told(received.events)
    assert (error["error"]["code"], error["error"]["param"]) == (code, param)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        ('{"type":NaN}', "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        ("[" * 50_000, "invalid_json"),
        ("{}", "missing_required_parameter"),
        ('{"type":null}', "missing_required_parameter"),
        ('{"type":["session.update"]}', "invalid_value"),
        ('{"type":"response.cancel","event_id":7}', "invalid_type"),
        (f'{{"type":"{"x" * 100_000}"}}', "event_too_large"),
        ("[" + "0," * 30_000 + "0]", "event_too_large"),
    ],
)
def test_what_is_no_event_is_refused(raw: str | bytes, code: str) -> None:
    assert problem(new_session().receive(raw))[0] == code


def test_an_error_names_the_event_that_caused_it() -> None:
    [error] = told(send(new_session(), "response.cancel", response_id=7).events)
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
    told(received.events)
    too_short = kind == "input_audio_buffer.append" and "audio" in fields  # of a few samples nothing comes yet
    assert received.commands or received.events or too_short


# What happened in the agent


def start_answer(session: Session, modality: do.Modality = "audio", **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    given = {"max_output_tokens": None, "into_conversation": True, "metadata": {}, **fields}
    return report(session, on.ResponseStarted("resp_1", modality, "joe", **given))


def answer(status: str = "in_progress", text: str = "") -> Message:
    return Message("item_1", "assistant", text, spoken=True, status=status)  # type: ignore[arg-type]


def test_a_spoken_answer_is_told_in_the_order_that_clients_rely_on() -> None:
    session, timeline = new_session(), Timeline()
    begun, done = answer(), answer("completed", "Hi there.")
    events = start_answer(session, metadata={"a": "b"}) + report(
        session,
        on.OutputAdded("resp_1", 0, begun),
        on.ItemAdded(begun, "item_0"),
        on.OutputAudio("resp_1", 0, "item_1", np.array([0.5, -0.5], np.float32), timeline),
        on.OutputText("resp_1", 0, "item_1", "Hi there."),
        on.OutputAudio("resp_1", 0, "item_1", np.array([0.25], np.float32), timeline),
        on.OutputDone("resp_1", 0, done),
        on.ItemDone(done, "item_0"),
        on.ResponseDone(
            "resp_1", "completed", None, None, (done,), on.Usage(100, 90, 12, 1.0, 2.0), timeline, {"a": "b"}
        ),
    )
    assert [event["type"] for event in events] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    created, added, item_added, part, audio, words, _, _, transcript, part_done, item_done, _, finished = events
    where = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    assert created["response"]["status"] == "in_progress"
    assert created["response"]["output"] == []
    assert created["response"]["metadata"] == {"a": "b"}
    assert created["response"]["conversation_id"].startswith("conv_")
    assert added["item"] == item_added["item"]
    assert (added["item"]["status"], added["item"]["content"]) == ("in_progress", [])
    assert item_added["previous_item_id"] == "item_0"
    assert part["part"] == {"type": "audio", "transcript": ""}
    assert audio == {"type": "response.output_audio.delta", "delta": "AEAAwA==", **where}
    assert words == {"type": "response.output_audio_transcript.delta", "delta": "Hi there.", **where}
    assert transcript["transcript"] == "Hi there."
    assert part_done["part"] == {"type": "audio", "transcript": "Hi there."}
    assert item_done["item"]["content"] == [{"type": "output_audio", "transcript": "Hi there."}]
    assert finished["response"]["status"] == "completed"
    assert finished["response"]["status_details"] is None
    assert finished["response"]["output"] == [item_done["item"]]
    assert finished["response"]["usage"] == {
        "total_tokens": 112,
        "input_tokens": 100,
        "output_tokens": 12,
        "input_token_details": {
            "text_tokens": 100,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 90,
            "cached_tokens_details": {"text_tokens": 90, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 12, "audio_tokens": 0},
    }


def test_a_written_answer_has_text_events() -> None:
    session = new_session()
    done = Message("item_1", "assistant", "Hi.")
    events = start_answer(session, "text") + report(
        session,
        on.OutputAdded("resp_1", 0, Message("item_1", "assistant", "", status="in_progress")),
        on.OutputText("resp_1", 0, "item_1", "Hi."),
        on.OutputDone("resp_1", 0, done),
    )
    assert [event["type"] for event in events[2:]] == [
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    assert events[4]["text"] == "Hi."
    assert events[5]["part"] == {"type": "text", "text": "Hi."}


def test_a_tool_call_is_told_whole() -> None:
    session = new_session()
    start_answer(session, into_conversation=False)
    events = report(
        session,
        on.OutputAdded("resp_1", 0, FunctionCall("item_1", "call_1", "weather", "{}", "in_progress")),
        on.OutputDone("resp_1", 0, FunctionCall("item_1", "call_1", "weather", '{"city":"Oslo"}')),
    )
    assert [event["type"] for event in events] == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    assert events[0]["item"]["arguments"] == ""
    assert events[1]["delta"] == events[2]["arguments"] == events[3]["item"]["arguments"] == '{"city":"Oslo"}'
    assert events[2]["name"] == "weather"


@pytest.mark.parametrize(
    ("status", "reason", "error", "details"),
    [
        ("cancelled", "turn_detected", None, {"type": "cancelled", "reason": "turn_detected"}),
        ("cancelled", "client_cancelled", None, {"type": "cancelled", "reason": "client_cancelled"}),
        ("incomplete", "max_output_tokens", None, {"type": "incomplete", "reason": "max_output_tokens"}),
        (
            "failed",
            None,
            "The decoder is gone.",
            {
                "type": "failed",
                "error": {"type": "server_error", "code": "response_failed", "message": "The decoder is gone."},
            },
        ),
    ],
)
def test_an_answer_that_went_wrong_says_how(status: Any, reason: Any, error: str | None, details: object) -> None:  # noqa: ANN401
    session = new_session()
    start_answer(session)
    [done] = report(session, on.ResponseDone("resp_1", status, reason, error, (), on.Usage(), Timeline()))
    assert (done["response"]["status"], done["response"]["status_details"]) == (status, details)


def test_an_answer_keeps_the_format_that_it_began_with() -> None:
    session = new_session()
    start_answer(session)
    [command] = update(session, audio={"output": {"format": {"type": "audio/pcmu"}}}).commands
    assert isinstance(command, do.Update)
    report(session, on.Updated(command.settings))
    pcm = np.zeros(3, np.float32)
    assert len(base64.b64decode(report(session, on.OutputAudio("resp_1", 0, "a", pcm, Timeline()))[-1]["delta"])) == 6
    report(session, on.ResponseStarted("resp_2", "audio", "joe", None, True, {}))
    assert len(base64.b64decode(report(session, on.OutputAudio("resp_2", 0, "b", pcm, Timeline()))[-1]["delta"])) == 3


def test_the_timeline_comes_to_those_who_ask() -> None:
    timeline = Timeline(speech_ended=10.0, turn_decided=10.5, first_packet=10.75025)
    for wanted, expected in [
        (True, {"a": "b", "timeline": '{"speech_ended":0.0,"turn_decided":500.0,"first_packet":750.2}'}),
        (False, {"a": "b"}),
    ]:
        session = Session(OFFER, "x", max_event_bytes=1_000, extensions=Extensions(timeline=wanted))
        start_answer(session)
        [event] = session.report(
            on.ResponseDone("resp_1", "completed", None, None, (), on.Usage(), timeline, {"a": "b"})
        )
        [done] = told([session.seal(event, timeline)])  # type: ignore[arg-type]
        assert done["response"]["metadata"] == expected


USER = Message("item_1", "user", None, spoken=True)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            on.SpeechStarted("item_1", 16_000),
            {"type": "input_audio_buffer.speech_started", "item_id": "item_1", "audio_start_ms": 1_000},
        ),
        (
            on.SpeechStopped("item_1", 24_008),
            {"type": "input_audio_buffer.speech_stopped", "item_id": "item_1", "audio_end_ms": 1_500},
        ),
        (
            on.IdleTimeout("item_1", 16_000, 96_000),
            {
                "type": "input_audio_buffer.timeout_triggered",
                "item_id": "item_1",
                "audio_start_ms": 1_000,
                "audio_end_ms": 6_000,
            },
        ),
        (
            on.Committed("item_1", None),
            {"type": "input_audio_buffer.committed", "item_id": "item_1", "previous_item_id": None},
        ),
        (on.Cleared(), {"type": "input_audio_buffer.cleared"}),
        (
            on.ItemAdded(USER, None),
            {
                "type": "conversation.item.added",
                "previous_item_id": None,
                "item": {
                    "id": "item_1",
                    "object": "realtime.item",
                    "type": "message",
                    "status": "completed",
                    "role": "user",
                    "content": [{"type": "input_audio", "transcript": None}],
                },
            },
        ),
        (
            on.ItemRetrieved(FunctionOutput("item_1", "call_1", "rain")),
            {
                "type": "conversation.item.retrieved",
                "item": {
                    "id": "item_1",
                    "object": "realtime.item",
                    "type": "function_call_output",
                    "status": "completed",
                    "call_id": "call_1",
                    "output": "rain",
                },
            },
        ),
        (
            on.ItemRetrieved(Message("item_1", "system", "Rhyme.")),
            {
                "type": "conversation.item.retrieved",
                "item": {
                    "id": "item_1",
                    "object": "realtime.item",
                    "type": "message",
                    "status": "completed",
                    "role": "system",
                    "content": [{"type": "input_text", "text": "Rhyme."}],
                },
            },
        ),
        (on.ItemDeleted("item_1"), {"type": "conversation.item.deleted", "item_id": "item_1"}),
        (
            on.ItemTruncated("item_1", 1.25),
            {
                "type": "conversation.item.truncated",
                "item_id": "item_1",
                "content_index": 0,
                "audio_end_ms": 1_250,
            },
        ),
        (
            on.Transcribed("item_1", " hello"),
            {
                "type": "conversation.item.input_audio_transcription.delta",
                "item_id": "item_1",
                "content_index": 0,
                "delta": " hello",
            },
        ),
        (
            on.Transcribed("item_1", "", "Hello.", 1.5),
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": "item_1",
                "content_index": 0,
                "transcript": "Hello.",
                "usage": {"type": "duration", "seconds": 1.5},
            },
        ),
        (
            on.TranscriptionFailed("item_1", "No model."),
            {
                "type": "conversation.item.input_audio_transcription.failed",
                "item_id": "item_1",
                "content_index": 0,
                "error": {"type": "server_error", "code": "transcription_failed", "message": "No model."},
            },
        ),
        (
            on.Refused("item_not_found", "There is none.", "item_id", "mine"),
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "code": "item_not_found",
                    "message": "There is none.",
                    "param": "item_id",
                    "event_id": "mine",
                },
            },
        ),
    ],
)
def test_agent_events_are_told(event: on.Event, expected: dict[str, object]) -> None:
    session = new_session()
    assert report(session, event) == [expected]
    for server_event in session.report(event):
        TypeAdapter(RealtimeServerEvent).validate_python(
            json.loads(serialize(server_event)), strict=True, extra="forbid"
        )


def test_the_final_words_follow_the_last_of_the_caption() -> None:
    kinds = [event["type"] for event in report(new_session(), on.Transcribed("a", " there", "Hi there.", 1.0))]
    assert [kind.rpartition(".")[2] for kind in kinds] == ["delta", "completed"]


# The documentation


def event_types(union: object) -> set[str]:
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0] for member in members}


@pytest.mark.parametrize(
    ("heading", "union"), [("Client events", RealtimeClientEvent), ("Server events", RealtimeServerEvent)]
)
def test_the_documentation_names_every_event_that_the_package_defines(heading: str, union: object) -> None:
    section = PROTOCOL.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) == len(set(rows))
    assert set(rows) == event_types(union)


def test_the_documentation_names_every_error() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in PROTOCOL.parents[1].glob("realtime/*.py"))
    codes = set(re.findall(r'(?:Invalid|error_event|Refusal)\(\s*(?:\d+, )?"(\w+)"', sources))
    assert "invalid_json" in codes
    assert {code for code in codes if f"`{code}`" not in PROTOCOL.read_text(encoding="utf-8")} == set()


def thinking_session(**extensions: bool) -> Session:
    offer = replace(OFFER, thinks=True)
    session = Session(offer, "x", max_event_bytes=100_000, extensions=Extensions(**extensions))
    session.open()
    return session


@pytest.mark.parametrize(
    ("effort", "mode"), [("minimal", "off"), ("low", "speak_first"), ("medium", "think_first"), ("high", "before")]
)
def test_the_effort_says_how_it_thinks(effort: str, mode: str) -> None:
    session = thinking_session()
    (command,) = update(session, reasoning={"effort": effort}).commands
    assert isinstance(command, do.Update)
    assert command.settings.thinking == mode
    (updated,) = report(session, on.Updated(command.settings))
    assert updated["session"]["reasoning"] == {"effort": effort}
    (command,) = send(session, "response.create", response={"reasoning": {"effort": effort}}).commands
    assert isinstance(command, do.Respond)
    assert command.thinking == mode


def test_thoughts_go_to_those_who_ask_for_them() -> None:
    assert report(thinking_session(), on.Thoughts("resp_1", "Six times seven")) == []
    (delta,) = report(thinking_session(thoughts=True), on.Thoughts("resp_1", "Six times seven"))
    assert delta["type"] == "antiphon.thoughts.delta"
    assert (delta["response_id"], delta["delta"]) == ("resp_1", "Six times seven")


@pytest.mark.parametrize("state", ["full", "ducked", "paused"])
def test_how_to_play_goes_to_those_who_ask_for_it(state: Literal["full", "ducked", "paused"]) -> None:
    assert report(thinking_session(), on.Playback(state)) == []
    (event,) = report(thinking_session(playback=True), on.Playback(state))
    assert (event["type"], event["state"]) == ("antiphon.playback", state)
