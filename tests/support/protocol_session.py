"""A protocol session as the tests drive it: JSON events in, commands out; agent events in, JSON events out."""

import json
from dataclasses import replace
from typing import Any

from pipeline import commands as do
from pipeline import events as on
from pipeline.conversation.items import Message
from pipeline.decoders.decoder import Tool
from realtime.protocol.extensions import Extensions
from realtime.protocol.parsing import serialize
from realtime.protocol.session import Received, Session
from realtime.protocol.session_config import Offer

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


def as_json(events: object) -> list[dict[str, Any]]:
    """Server events as the client reads them; each has an id of its own and is valid by the official types."""
    read = [json.loads(serialize(event)) for event in events]  # type: ignore[attr-defined]
    ids = {event.pop("event_id") for event in read}
    assert len(ids) == len(read)
    return read


def report(session: Session, *events: on.Event) -> list[dict[str, Any]]:
    return as_json([server_event for event in events for server_event in session.report(event)])


def problem(received: Received) -> tuple[str, str | None]:
    """The code and the param of the one error that a client event came to."""
    assert received.commands == ()
    [error] = as_json(received.events)
    assert error["type"] == "error"
    assert error["error"]["message"]
    return error["error"]["code"], error["error"]["param"]


FIRST = replace(SETTINGS, output_rate=24_000)


def message(role: str, *content: dict[str, object], **fields: object) -> dict[str, object]:
    return {"type": "message", "role": role, "content": list(content), **fields}


def start_answer(session: Session, modality: do.Modality = "audio", **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    given = {"max_output_tokens": None, "into_conversation": True, "metadata": {}, **fields}
    return report(session, on.ResponseStarted("resp_1", modality, "joe", **given))


def answer(status: str = "in_progress", text: str = "") -> Message:
    return Message("item_1", "assistant", text, spoken=True, status=status)  # type: ignore[arg-type]
