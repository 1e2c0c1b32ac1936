"""`conversation.*`, `input_audio_buffer.*` and errors: server events that belong to no answer."""

import json

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from pipeline import events as on
from pipeline.conversation.items import FunctionOutput, Message
from realtime.protocol.parsing import serialize
from realtime.protocol.session import Session
from tests.support.protocol_session import OFFER, new_session, report

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
            on.Refused("item_delete_invalid_item_id", "There is none.", "item_id", "mine"),
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "code": "item_delete_invalid_item_id",
                    "message": "There is none.",
                    "param": "item_id",
                    "event_id": "mine",
                },
            },
        ),
    ],
)
def test_agent_events_are_reported(event: on.Event, expected: dict[str, object]) -> None:
    session = new_session()
    assert report(session, event) == [expected]
    for server_event in session.report(event):
        TypeAdapter(RealtimeServerEvent).validate_python(
            json.loads(serialize(server_event)), strict=True, extra="forbid"
        )


def test_the_final_words_follow_the_last_of_the_caption() -> None:
    kinds = [event["type"] for event in report(new_session(), on.Transcribed("a", " there", "Hi there.", 1.0))]
    assert [kind.rpartition(".")[2] for kind in kinds] == ["delta", "completed"]


def test_a_cut_is_reported_once_to_the_client_that_says_how_much_it_played() -> None:
    unasked, asked = on.ItemTruncated("item_1", 1.0, unasked=True), on.ItemTruncated("item_1", 1.25)
    cut = {"type": "conversation.item.truncated", "item_id": "item_1", "content_index": 0, "audio_end_ms": 1250}
    assert report(new_session(), unasked, asked) == [cut]
    by_track = Session(OFFER, "m", max_event_bytes=10_000, by_track=True)
    assert len(report(by_track, unasked)) == 1
