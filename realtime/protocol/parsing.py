"""Client events parsed from JSON and validated by the `openai` package's types; server events serialized."""

import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from openai.types.realtime import (
    RealtimeClientEvent,
    RealtimeErrorEvent,
    RealtimeServerEvent,
)
from openai.types.realtime.realtime_audio_formats import AudioPCM
from openai.types.realtime.realtime_error import RealtimeError
from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from pipeline.runtime.ids import new_id
from realtime.protocol.audio_format import PCM_RATES
from realtime.protocol.client_events import ADAPTERS, mismatch
from realtime.protocol.event_bounds import excess, too_large
from realtime.protocol.extensions import ExtensionEvent

ServerEvent = RealtimeServerEvent | ExtensionEvent


class Invalid(ValueError):
    """A client event that cannot be carried out. Its fields are those of the `error` event."""

    def __init__(self, code: str, message: str, param: str | None = None, event_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id


def parse(raw: str | bytes, max_characters: int) -> RealtimeClientEvent:
    """The event in a client's message. Raises `Invalid`, with the client's event_id if there is one.

    `max_characters`: longest text of an event, audio aside.

    Stricter than the official client's own parsing: wrong types and unknown fields are refused.
    """
    if (reason := excess(raw)) is not None:
        raise Invalid("event_too_large", reason)
    try:
        data = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise Invalid("invalid_json", f"The event is no valid JSON: {error}.") from None
    if not isinstance(data, dict):
        raise Invalid("invalid_json", "An event is a JSON object.")
    event_id = data["event_id"] if isinstance(data.get("event_id"), str) else None
    kind = data.get("type")
    if kind is None:
        raise _missing("type", event_id)
    adapter = ADAPTERS.get(kind) if isinstance(kind, str) else None
    if adapter is None:
        raise _unsupported_value("type", kind, map(repr, ADAPTERS), event_id)
    if (found := too_large(data, max_characters)) is not None:
        raise Invalid(found.code, found.message, found.param or None, event_id if found.param != "event_id" else None)
    _refuse_beta(data, event_id)
    _drop_foreign_extensions(data)
    _drop_variables(data)
    extension_rates = _lift_rates(data)
    try:
        event: RealtimeClientEvent = adapter.validate_python(data, strict=True, extra="forbid")
    except ValidationError as error:
        raise _explain(error.errors(include_url=False)[:_MAX_COMPLAINTS], data, event_id) from None
    for path, rate in extension_rates.items():
        wire_format = _at(event, path)
        if isinstance(wire_format, AudioPCM):
            wire_format.rate = rate  # type: ignore[assignment]  # wider than the package's type: our extension
    return event


def serialize(event: ServerEvent) -> str:
    # Unset is left out, None is null. Our wider sample rates would make the package's types warn.
    return event.model_dump_json(exclude_unset=True, warnings=False)


def error_event(
    code: str,
    message: str,
    param: str | None = None,
    event_id: str | None = None,
    kind: Literal["invalid_request_error", "server_error"] = "invalid_request_error",
) -> RealtimeErrorEvent:
    """An `error` event. `event_id`: id of the client event that caused it."""
    error = RealtimeError(type=kind, code=code, message=message, param=param, event_id=event_id)
    return RealtimeErrorEvent(type="error", event_id=new_id("event"), error=error)


_MAX_COMPLAINTS = 100
"""Validation errors of one event that are read: one of them is reported."""

BETA = (
    "This client speaks the beta of the Realtime protocol, which ended; this server speaks the protocol of general "
    "availability. Update the client, and leave out the header 'OpenAI-Beta: realtime=v1'."
)
_BETA_FIELDS = {
    "session": {"modalities", "voice", "input_audio_format", "output_audio_format", "input_audio_transcription"}
    | {"turn_detection", "temperature", "max_response_output_tokens"},
    "response": {"modalities", "voice", "output_audio_format", "temperature", "max_response_output_tokens"},
}
"""Fields that only the beta had at this place."""


def _refuse_beta(data: dict[str, Any], event_id: str | None) -> None:
    """Raises one `Invalid` that names the beta, instead of one for each of its fields."""
    for place, fields in _BETA_FIELDS.items():
        given = data.get(place)
        if isinstance(given, dict) and (place == "response" or "type" not in given) and fields.intersection(given):
            raise Invalid("beta_api_shape_disabled", BETA, place, event_id)


def _drop_foreign_extensions(data: dict[str, Any]) -> None:
    """A client may name the extensions of other servers that it understands; it does without those that it gets not."""
    session = data.get("session")
    if isinstance(session, dict) and isinstance(session.get("extensions"), list):
        del session["extensions"]


def _drop_variables(data: dict[str, Any]) -> None:
    """Leave out a prompt's variables: the prompt is refused whatever they are, and each is a union of many types."""
    for place in ("session", "response"):
        prompt = _at(data, (place, "prompt"))
        if isinstance(prompt, dict):
            prompt.pop("variables", None)


_FORMATS = (
    ("session", "audio", "input", "format"),
    ("session", "audio", "output", "format"),
    ("response", "audio", "output", "format"),
)


def _lift_rates(data: dict[str, Any]) -> dict[tuple[str, ...], int]:
    """Replace our additional pcm16 rates in `data` by 24 kHz, the only one in the package's types; returns them."""
    lifted: dict[tuple[str, ...], int] = {}
    for path in _FORMATS:
        wire_format = _at(data, path)
        if not isinstance(wire_format, dict) or wire_format.get("type") != "audio/pcm":
            continue
        rate = wire_format.get("rate")
        if isinstance(rate, int) and rate in PCM_RATES[1:]:
            lifted[path] = rate
            wire_format["rate"] = PCM_RATES[0]
    return lifted


def _at(value: object, path: Iterable[str]) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else getattr(value, key, None)
    return value


def _missing(param: str, event_id: str | None) -> Invalid:
    return Invalid("missing_required_parameter", f"Missing required parameter: '{param}'.", param, event_id)


def _unsupported_value(param: str, value: object, supported: Iterable[str], event_id: str | None) -> Invalid:
    message = f"Invalid value: {_short(value)}. Supported values are: {', '.join(supported)}."
    return Invalid("invalid_value", message, param, event_id)


def _short(value: object) -> str:
    text = reprlib.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _Complaint:
    """A validation error of pydantic, with its place in the event."""

    error: ErrorDetails
    path: Path
    """Path to the field in the event."""
    members: tuple[tuple[Path, str | int], ...]
    """Members of unions that were tried along the path: the path to the union, and the member."""

    @property
    def wrong_member(self) -> tuple[Path, str | int] | None:
        """The member of a union that the value's `type` or `role` rules out."""
        if self.error["type"] == "literal_error" and self.members and self.path[-1:] in (("type",), ("role",)):
            place, _ = self.members[-1]
            if self.path[:-1] == place:
                return self.members[-1]
        return None


def _explain(errors: list[ErrorDetails], data: object, event_id: str | None) -> Invalid:
    complaints = _likely([_locate(error, data) for error in errors])
    chosen = max(complaints, key=lambda complaint: len(complaint.path))
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in chosen.path).lstrip(".")
    value, kind = chosen.error["input"], chosen.error["type"]
    if (wrong := mismatch(chosen.error)) is not None:
        param = f"{param}.{wrong.field}"
        if value.get(wrong.field) is None:
            return _missing(param, event_id)
        return _unsupported_value(param, value[wrong.field], map(repr, wrong.allowed), event_id)
    if kind == "missing":
        return _missing(param, event_id)
    if kind == "extra_forbidden":
        return Invalid("unknown_parameter", f"Unknown parameter: '{param}'.", param, event_id)
    if chosen.path[-2:] == ("format", "rate"):
        return _unsupported_value(param, value, map(str, PCM_RATES), event_id)
    alike = [complaint.error for complaint in complaints if complaint.path == chosen.path]
    expected = list(dict.fromkeys(map(_expected, alike)))
    if all(error["type"] == "literal_error" for error in alike):
        return _unsupported_value(param, value, expected, event_id)
    message = f"Invalid type for '{param}': expected {' or '.join(expected)}, but got {_short(value)} instead."
    return Invalid("invalid_type", message, param, event_id)


def _locate(error: ErrorDetails, data: Any) -> _Complaint:  # noqa: ANN401
    """Separate the fields in an error's location from the names of union members among them."""
    path: Path = ()
    members: list[tuple[Path, str | int]] = []
    *parts, last = error["loc"]
    for part in parts if error["type"] == "missing" else error["loc"]:
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int)):
            path, data = (*path, part), data[part]  # type: ignore[index]
        else:
            members.append((path, part))
    return _Complaint(error, (*path, last) if error["type"] == "missing" else path, tuple(members))


def _likely(complaints: list[_Complaint]) -> list[_Complaint]:
    """Keep the errors of the union members that the value was meant to be: pydantic reports all members."""
    for place in sorted({place for complaint in complaints for place, _ in complaint.members}, key=len):
        tried = {member for complaint in complaints for member in complaint.members if member[0] == place}
        wrong = {complaint.wrong_member for complaint in complaints} & tried
        if wrong != tried:
            complaints = [complaint for complaint in complaints if not wrong.intersection(complaint.members)]
        elif wrong:
            # No member fits. A wrong role is reported by members whose type is right.
            at_fault = [complaint for complaint in complaints if complaint.wrong_member in wrong]
            roles = [complaint for complaint in at_fault if complaint.path[-1] == "role"]
            return roles or at_fault
    return complaints


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"])
    return _TYPE_NAMES.get(error["type"]) or error["msg"]


_TYPE_NAMES = {
    "bool_type": "a boolean",
    "dict_type": "an object",
    "float_type": "a number",
    "int_type": "an integer",
    "list_type": "an array",
    "model_type": "an object",
    "string_type": "a string",
    "union_tag_not_found": "an object",
}
