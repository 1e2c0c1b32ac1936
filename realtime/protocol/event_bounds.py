"""Security limits on the structure of one client event: what it costs to parse and validate, whatever its length."""

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_COMMAS = 20_000
"""Values of one event. Audio contains no commas, so its length is bounded by the bytes alone."""
MAX_CONTAINERS = 20_000
"""Brackets and braces that open in one event: empty ones need no comma to be nested."""
MAX_MEMBERS = 128
"""Elements of a list, and fields of an object: as many as the tools that OpenAI's API takes."""
MAX_DEPTH = 64
"""Levels of lists and objects within each other. A JSON schema of a tool rarely has twenty."""

_FREE_FORM = re.compile(r"(session|response)\.tools\[\d+\]\.parameters")
"""The place of a tool's JSON schema, which is stored as it is: validating it costs nothing."""

CHARACTERS_A_TOKEN = 8
"""Characters of text in a token, a high estimate: text that is longer than the context by it does not fit."""
MAX_ID = 64
"""Characters of an item's or a response's id. OpenAI's API takes 32; some clients send UUIDs, which have 36."""
MAX_NAME = 64
"""Characters of a function's name, as OpenAI's API limits it, and of the id of its call."""
MAX_EVENT_ID = 512
"""Characters of a client's id for its event, as OpenAI's API limits it."""

_ITEM = r"(item|response\.input\[\d+\])"
_LENGTHS = (
    (re.compile(rf"{_ITEM}\.id|(previous_)?item_id|response_id"), MAX_ID),
    (re.compile(rf"{_ITEM}\.(call_id|name)|(session|response)\.tools\[\d+\]\.name"), MAX_NAME),
    (re.compile(r"event_id"), MAX_EVENT_ID),
)
_SHORTEST_LIMIT = min(limit for _, limit in _LENGTHS)
_AUDIO = re.compile(rf"audio|{_ITEM}\.content\[\d+\]\.audio")
"""The places of audio, which the length of an event in bytes and of a turn in seconds limit."""

_TOO_LARGE = "event_too_large"
_TOO_LONG = "string_above_max_length"
_SHOWN = 200
"""Characters of a place that an error names."""


class Excess(NamedTuple):
    """A limit that an event exceeds: the protocol's error code, the place and a sentence."""

    code: str
    param: str
    message: str


def excess(raw: str | bytes) -> str | None:
    """What one event has too much of, as a sentence; None if it may be parsed. Counts, and allocates nothing."""
    comma, brace, bracket = (",", "{", "[") if isinstance(raw, str) else (b",", b"{", b"[")
    if raw.count(comma) > MAX_COMMAS:  # type: ignore[arg-type]
        return f"An event has at most {MAX_COMMAS} values."
    if raw.count(brace) + raw.count(bracket) > MAX_CONTAINERS:  # type: ignore[arg-type]
        return f"An event has at most {MAX_CONTAINERS} objects and arrays."
    return None


def too_large(event: object, max_characters: int) -> Excess | None:
    """The first place in a parsed event that exceeds a limit; None if the event may be validated.

    `max_characters`: longest text of one event, audio aside, as much as a decoder's context can hold.
    """
    characters = 0
    waiting: list[tuple[str, object, int, bool]] = [("", event, 1, False)]
    while waiting:
        at, value, depth, is_free = waiting.pop()
        if isinstance(value, str):
            if len(value) > _SHORTEST_LIMIT and not is_free:
                if _AUDIO.fullmatch(at):
                    continue
                for place, limit in _LENGTHS:
                    if len(value) > limit and place.fullmatch(at):
                        return Excess(_TOO_LONG, at, f"'{at}' has {len(value)} characters; at most {limit} are taken.")
            characters += len(value)
            if characters > max_characters:
                return Excess(_TOO_LONG, at[:_SHOWN], _no_room(max_characters))
        if not isinstance(value, dict | list):
            continue
        if depth > MAX_DEPTH:
            return Excess(_TOO_LARGE, at[:_SHOWN], f"An event has at most {MAX_DEPTH} levels of objects and arrays.")
        if len(value) > MAX_MEMBERS and not is_free:
            kind = "fields" if isinstance(value, dict) else "elements"
            message = f"'{at[:_SHOWN]}' has {len(value)} {kind}; at most {MAX_MEMBERS} are taken."
            return Excess(_TOO_LARGE, at[:_SHOWN], message)
        if isinstance(value, dict):
            characters += sum(map(len, value))
        for name, inner in _members(at, value):
            if isinstance(inner, dict | list | str):
                free = is_free or (isinstance(inner, dict) and _FREE_FORM.fullmatch(name) is not None)
                waiting.append((name, inner, depth + 1, free))
    return None


def _no_room(max_characters: int) -> str:
    return (
        f"An event's text has at most {max_characters} characters, {CHARACTERS_A_TOKEN} for each token of the server's "
        "decoder.context_tokens: more would never fit into a prompt. Shorten it, or raise that setting."
    )


def _members(at: str, value: dict[str, object] | list[object]) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        return ((f"{at}[{index}]", inner) for index, inner in enumerate(value))
    return ((f"{at}.{name[:_SHOWN]}" if at else name[:_SHOWN], inner) for name, inner in value.items())
