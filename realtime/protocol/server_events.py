"""Server events as a client reads them: the `openai` package's types, and Antiphon's extensions to them.

The package's own `recv` takes an extension event for some other event; everything of ours that reads server events
goes through `parse_server_event` instead.
"""

from typing import get_args

from openai.types.realtime import RealtimeConversationItemAssistantMessage, RealtimeResponse, RealtimeServerEvent
from pydantic import BaseModel
from pydantic_core import from_json

from realtime.protocol.extensions import ExtensionEvent
from realtime.protocol.parsing import ServerEvent


def parse_server_event(data: str | bytes) -> ServerEvent | None:
    """The event in a message from the server; None for a type that is unknown here. Fields are not validated."""
    fields = from_json(data)
    model = _MODELS.get(fields["type"])
    return None if model is None else model.model_construct(**fields)


def words_of(response: RealtimeResponse) -> str:
    """The text or transcript of all messages in a response."""
    messages = [item for item in response.output or () if isinstance(item, RealtimeConversationItemAssistantMessage)]
    parts = [part for message in messages for part in message.content or ()]
    return " ".join(words for part in parts if (words := part.transcript or part.text))


def failure_of(response: RealtimeResponse) -> str:
    """The message of a response that failed."""
    error = response.status_details.error if response.status_details else None
    return (error.message if error else None) or "the server gives no reason"


def timeline_of(response: RealtimeResponse) -> dict[str, float]:
    """Milliseconds from the end of speech to each stage of the answer, if the client asked for the timeline."""
    timeline: dict[str, float] = from_json((response.metadata or {}).get("timeline", "{}"))
    return timeline


_MODELS: dict[str, type[ServerEvent]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in (*get_args(get_args(RealtimeServerEvent)[0]), *get_args(ExtensionEvent))
    if issubclass(model, BaseModel)
}
