"""`session.update`: what it changes, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline import commands as do
from pipeline import events as on
from pipeline.decoders.decoder import Tool
from pipeline.runtime.timeline import Timeline
from realtime.protocol.session import Received, Session
from tests.support.protocol_session import (
    FIRST,
    OFFER,
    WEATHER,
    WEATHER_WIRE,
    as_json,
    new_session,
    problem,
    report,
    send,
    start_answer,
    update,
)


def test_a_session_begins_with_all_that_is_in_force() -> None:
    [event] = as_json(new_session().open())
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
        "parallel_tool_calls": True,
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {"model": "whisper-tiny.en", "language": "en"},
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
    "fields",
    [
        {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
        {"audio": {"input": {"transcription": {"language": "de"}}}},
        {"audio": {"input": {"transcription": {"prompt": "names", "keywords": ["Ada"], "languages": ["de", "en"]}}}},
        {"tracing": "auto"},
        {"truncation": "disabled"},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 0.5}},
        {"include": ["item.input_audio_transcription.logprobs"]},
        {"reasoning": {"effort": "low"}},
        {"parallel_tool_calls": False},
        {"extensions": ["speech_to_speech.input_audio_transcription.snapshot"]},
    ],
)
def test_a_hint_that_cannot_be_followed_is_no_error_and_is_shown_as_not_in_force(fields: dict[str, object]) -> None:
    [opened] = as_json(new_session().open())
    session = new_session()
    received = update(session, instructions="Be brief.", **fields)
    assert received == Received((do.Update(replace(FIRST, instructions="Be brief.")),))
    [confirmed] = report(session, on.Updated(replace(FIRST, instructions="Be brief.")))
    shown = confirmed["session"] | {"id": opened["session"]["id"], "instructions": "Be kind."}
    assert shown == opened["session"]


def test_a_prompt_that_is_kept_elsewhere_is_refused_and_the_rest_of_the_update_holds() -> None:
    received = update(new_session(), instructions="Be brief.", prompt={"id": "pmpt_1"})
    assert received.commands == (do.Update(replace(FIRST, instructions="Be brief.")),)
    [error] = as_json(received.events)
    assert (error["error"]["code"], error["error"]["param"]) == ("unsupported_parameter", "session.prompt")
    assert error["error"]["event_id"] == "mine"


def test_the_speed_in_force_is_the_one_that_the_voice_has() -> None:
    session = new_session()
    [command] = update(session, audio={"output": {"speed": 1.25}}).commands
    assert command == do.Update(replace(FIRST, speed=1.25))
    for in_force in (1.25, 1.0):
        [confirmed] = report(session, on.Updated(replace(FIRST, speed=in_force)))
        assert confirmed["session"]["audio"]["output"]["speed"] == in_force


def test_an_unknown_voice_is_answered_with_those_there_are() -> None:
    received = update(new_session(), audio={"output": {"voice": "hal"}})
    assert received.commands == (do.Update(FIRST),)
    assert as_json(received.events)[0]["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "Invalid value: 'hal'. Supported values are: 'joe', 'ann'.",
        "param": "session.audio.output.voice",
        "event_id": "mine",
    }


@pytest.mark.parametrize(
    ("voices", "usual", "asked", "spoken"),
    [
        (("joe",), "joe", "marin", "joe"),
        (("en_US-joe-medium", "af_heart", "am_michael"), "en_US-joe-medium", "marin", "af_heart"),
        (("en_US-joe-medium", "af_heart", "am_michael"), "en_US-joe-medium", "cedar", "en_US-joe-medium"),
        (("bf_emma", "af_bella", "bm_george"), "bf_emma", "coral", "bf_emma"),
        (("bf_emma", "af_bella", "bm_george"), "bf_emma", "ash", "bm_george"),
    ],
)
def test_a_voice_of_openai_is_spoken_by_one_that_is_alike(
    voices: tuple[str, ...], usual: str, asked: str, spoken: str
) -> None:
    offer = replace(OFFER, voices=voices, settings=replace(OFFER.settings, voice=usual))
    session = Session(offer, "m", max_event_bytes=10_000)
    received = update(session, audio={"output": {"voice": asked}})
    assert received == Received((do.Update(replace(FIRST, voice=spoken)),))


def test_an_unavailable_voice_is_answered_with_what_to_do() -> None:
    session = Session(replace(OFFER, absent={"eve": "run antiphon models pull eve"}), "m", max_event_bytes=10_000)
    received = update(session, audio={"output": {"voice": "eve"}})
    assert received.commands == (do.Update(FIRST),)
    message = as_json(received.events)[0]["error"]["message"]
    assert message == "The voice 'eve' is not on this server: run antiphon models pull eve."


def test_a_voice_that_could_not_be_loaded_stays_what_it_was() -> None:
    session = new_session()
    [command] = update(session, audio={"output": {"voice": "ann"}}).commands
    assert isinstance(command, do.Update)
    (updated,) = report(session, on.Updated(replace(command.settings, voice="joe"), command.token))
    assert updated["session"]["audio"]["output"]["voice"] == "joe"
    assert update(session).commands == (do.Update(FIRST),)


def test_a_voice_that_a_session_could_not_begin_with_is_reported_as_what_it_is() -> None:
    session = new_session()
    (updated,) = report(session, on.Updated(replace(FIRST, voice="ann")))
    assert updated["session"]["audio"]["output"]["voice"] == "ann"
    assert update(session).commands == (do.Update(replace(FIRST, voice="ann")),)


def test_a_change_by_the_agent_itself_confirms_no_update() -> None:
    session = new_session()
    [first] = update(session, audio={"output": {"format": {"type": "audio/pcmu"}}}).commands
    [second] = update(session, audio={"output": {"format": {"type": "audio/pcm", "rate": 16_000}}}).commands
    assert isinstance(first, do.Update)
    assert isinstance(second, do.Update)
    seen = report(
        session,
        on.Updated(replace(FIRST, voice="ann")),  # the session's first voice could not be loaded
        on.Updated(replace(first.settings, voice="ann"), first.token),
        on.Updated(replace(second.settings, voice="ann"), second.token),
    )
    outputs = [event["session"]["audio"]["output"] for event in seen]
    assert [(output["format"], output["voice"]) for output in outputs] == [
        ({"type": "audio/pcm", "rate": 24_000}, "ann"),
        ({"type": "audio/pcmu"}, "ann"),
        ({"type": "audio/pcm", "rate": 16_000}, "ann"),
    ]


def test_the_voice_stays_once_it_was_heard() -> None:
    session = new_session()
    start_answer(session)
    report(session, on.OutputAudio("resp_1", 0, "item_1", np.zeros(2, np.float32), Timeline()))
    received = update(session, audio={"output": {"voice": "ann"}})
    assert received.commands == (do.Update(FIRST),)
    assert as_json(received.events)[0]["error"]["code"] == "cannot_update_voice"
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
        *(on.Updated(command.settings, command.token) for command in first.commands + second.commands),  # type: ignore[union-attr]
    )
    seen = [(event["session"]["instructions"], event["session"]["output_modalities"]) for event in confirmed]
    assert seen == [("One.", ["audio"]), ("One.", ["text"])]


def test_instructions_that_the_agent_refused_stay_what_they_were() -> None:
    session = new_session()
    update(session, instructions="One.")
    [command] = update(session, instructions="Too long.", tools=[WEATHER_WIRE], tool_choice="required").commands
    assert isinstance(command, do.Update)
    assert command.event_id == "mine"
    kept = replace(FIRST, instructions="One.")
    [updated] = report(session, on.Updated(kept, command.token))
    assert (updated["session"]["instructions"], updated["session"]["tools"]) == ("One.", [])
    assert updated["session"]["tool_choice"] == "auto"
    assert update(session, output_modalities=["text"]).commands == (do.Update(replace(kept, modality="text")),)


def test_tools_that_go_take_the_choice_of_them_along() -> None:
    session = new_session()
    update(session, tools=[WEATHER_WIRE], tool_choice={"type": "function", "name": "weather"})
    assert problem(update(session, tools=[])) == ("invalid_value", "session.tool_choice.name")
    assert update(session, tools=[], tool_choice="auto").commands == (do.Update(FIRST),)
