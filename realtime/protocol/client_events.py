"""The client events whose unions are decided by a field, so that a value is validated by one member only.

The `openai` package's unions try each member on each value, and report the errors of all: thousands of wrong values
would cost seconds. A list of alternatives stops at its first invalid element for the same reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from openai.types.realtime import (
    ConversationItem,
    ConversationItemCreateEvent,
    RealtimeClientEvent,
    RealtimeFunctionTool,
    RealtimeResponseCreateMcpTool,
    RealtimeResponseCreateParams,
    RealtimeSessionCreateRequest,
    RealtimeTranscriptionSessionCreateRequest,
    ResponseCreateEvent,
    ResponseItemReference,
    SessionUpdateEvent,
)
from openai.types.realtime.realtime_tools_config_union import Mcp
from pydantic import Discriminator, FailFast, Tag, TypeAdapter
from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value that is no member of its union: the field that decides, and what it may be."""

    field: str
    allowed: tuple[str, ...]


def _item_kind(value: object) -> str | None:
    """The member for an item: its type, with the role of a message."""
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if kind == "message":
        return f"message {value.get('role')}"
    if kind is None:
        # References from older clients have only an id.
        return "item_reference" if value.keys() == {"id"} else None
    return str(kind)[:80]


def _tool_kind(value: object) -> str | None:
    """The member for a tool. Types other than "mcp" are left to the session, which names the tools that it has."""
    if not isinstance(value, dict):
        return None
    return "mcp" if value.get("type") == "mcp" else "function"


def _session_kind(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    return None if kind is None else str(kind)[:80]


def _members(union: object) -> Iterator[tuple[str, Any]]:
    """The members of the package's union of items, each with its kind."""
    for member in get_args(get_args(union)[0]):
        [kind] = get_args(member.model_fields["type"].annotation)
        role = member.model_fields.get("role")
        yield (kind if role is None else f"{kind} {get_args(role.annotation)[0]}"), member


_ITEMS = dict(_members(ConversationItem))
_INPUTS = _ITEMS | {"item_reference": ResponseItemReference}
_SESSIONS = {"realtime": RealtimeSessionCreateRequest, "transcription": RealtimeTranscriptionSessionCreateRequest}


def _union(members: dict[str, Any], kind: Any) -> Any:  # noqa: ANN401 - pydantic's own types of types
    """A union of `members`, of which `kind` names the one that validates a value."""
    union: Any = None
    for name, member in members.items():
        tagged = Annotated[member, Tag(name)]  # type: ignore[valid-type]
        union = tagged if union is None else union | tagged
    return Annotated[union, Discriminator(kind)]


_Item = _union(_ITEMS, _item_kind)
_Input = _union(_INPUTS, _item_kind)
_SessionTool = _union({"function": RealtimeFunctionTool, "mcp": Mcp}, _tool_kind)
_ResponseTool = _union({"function": RealtimeFunctionTool, "mcp": RealtimeResponseCreateMcpTool}, _tool_kind)


class ResponseParams(RealtimeResponseCreateParams):
    """With references to items, which the package's type only has for clients written in Python."""

    input: Annotated[list[_Input] | None, FailFast()] = None  # type: ignore[valid-type]  # built from the package at import
    tools: Annotated[list[_ResponseTool] | None, FailFast()] = None  # type: ignore[valid-type]  # built from the package at import


class CreateResponse(ResponseCreateEvent):
    response: ResponseParams | None = None


class RealtimeSession(RealtimeSessionCreateRequest):
    tools: Annotated[list[_SessionTool] | None, FailFast()] = None  # type: ignore[valid-type]  # built from the package at import


_Session = _union(_SESSIONS | {"realtime": RealtimeSession}, _session_kind)


class UpdateSession(SessionUpdateEvent):
    session: _Session  # type: ignore[valid-type]  # built from the package at import


class CreateItem(ConversationItemCreateEvent):
    item: _Item  # type: ignore[valid-type]  # built from the package at import


def _by_type(union: object) -> dict[str, TypeAdapter[Any]]:
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0]: TypeAdapter(member) for member in members}


ADAPTERS = _by_type(RealtimeClientEvent) | {
    "response.create": TypeAdapter(CreateResponse),
    "session.update": TypeAdapter(UpdateSession),
    "conversation.item.create": TypeAdapter(CreateItem),
}
"""The validator of each event, by its type."""


def mismatch(error: ErrorDetails) -> Mismatch | None:
    """The reason why a value is no member of its union; None for any other error."""
    value = error["input"]
    if error["type"] not in ("union_tag_invalid", "union_tag_not_found") or not isinstance(value, dict):
        return None
    if error["ctx"]["discriminator"] == f"{_session_kind.__name__}()":
        return Mismatch("type", tuple(_SESSIONS))
    if value.get("type") == "message":
        return Mismatch("role", tuple(kind.partition(" ")[2] for kind in _ITEMS if kind.startswith("message ")))
    return Mismatch("type", tuple(dict.fromkeys(kind.partition(" ")[0] for kind in _INPUTS)))
