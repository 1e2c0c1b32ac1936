"""`response.*`: the server events of an answer, in the order that clients rely on."""

import base64
from typing import Any

import numpy as np
import pytest

from pipeline import commands as do
from pipeline import events as on
from pipeline.conversation.items import FunctionCall, Message
from pipeline.runtime.timeline import Timeline
from tests.support.protocol_session import answer, new_session, report, start_answer, update


def test_a_spoken_answer_is_reported_in_the_order_that_clients_rely_on() -> None:
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
        on.ResponseDone("resp_1", "completed", None, None, (done,), on.Usage(100, 90, 12, 2.0), timeline, {"a": "b"}),
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


def test_a_tool_call_is_reported_whole() -> None:
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
def test_an_answer_that_failed_reports_how(status: Any, reason: Any, error: str | None, details: object) -> None:  # noqa: ANN401
    session = new_session()
    start_answer(session)
    [done] = report(session, on.ResponseDone("resp_1", status, reason, error, (), on.Usage(), Timeline()))
    assert (done["response"]["status"], done["response"]["status_details"]) == (status, details)


def test_an_answer_keeps_the_format_that_it_began_with() -> None:
    session = new_session()
    start_answer(session)
    [command] = update(session, audio={"output": {"format": {"type": "audio/pcmu"}}}).commands
    assert isinstance(command, do.Update)
    report(session, on.Updated(command.settings, command.token))
    pcm = np.zeros(3, np.float32)
    assert len(base64.b64decode(report(session, on.OutputAudio("resp_1", 0, "a", pcm, Timeline()))[-1]["delta"])) == 6
    report(session, on.ResponseStarted("resp_2", "audio", "joe", None, True, {}))
    assert len(base64.b64decode(report(session, on.OutputAudio("resp_2", 0, "b", pcm, Timeline()))[-1]["delta"])) == 3
