"""Client events of every type, and what mistaken or hostile clients make of them. Deterministic."""

import base64
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

_SILENCE = base64.b64encode(bytes(9_600)).decode()
"""0.2 s of pcm16 at 24 kHz."""
_TEXT = {"type": "input_text", "text": "Say hello."}
_TOOL = {"type": "function", "name": "weather", "description": "x", "parameters": {"type": "object", "properties": {}}}


def _item(role: str, *content: object, **fields: object) -> dict[str, object]:
    return {"type": "conversation.item.create", "item": {"type": "message", "role": role, "content": content, **fields}}


VALID: tuple[dict[str, Any], ...] = (
    {"type": "input_audio_buffer.append", "audio": _SILENCE},
    {"type": "input_audio_buffer.commit", "event_id": "e"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "instructions": "Be brief.",
            "tools": [_TOOL],
            "tool_choice": "auto",
            "output_modalities": ["audio"],
            "max_output_tokens": 20,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": {"model": "whisper-1"},
                    "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": "alloy", "speed": 1.0},
            },
        },
    },
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}}},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}},
    _item("user", _TEXT, id="item_a"),
    _item("user", {"type": "input_audio", "audio": _SILENCE}),
    _item("system", _TEXT),
    _item("assistant", {"type": "output_text", "text": "Hello."}, status="completed"),
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
    },
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "rain"}},
    {"type": "conversation.item.retrieve", "item_id": "item_a"},
    {"type": "conversation.item.delete", "item_id": "item_a"},
    {"type": "conversation.item.truncate", "item_id": "item_a", "content_index": 0, "audio_end_ms": 100},
    {
        "type": "response.create",
        "response": {
            "instructions": "Rhyme.",
            "input": [_item("user", _TEXT)["item"], {"type": "item_reference", "id": "item_a"}],
            "conversation": "none",
            "metadata": {"topic": "rhymes"},
            "output_modalities": ["text"],
            "max_output_tokens": 10,
            "tools": [_TOOL],
        },
    },
    {"type": "response.create", "response": {"max_output_tokens": 5}},
    {"type": "response.cancel", "response_id": "resp_a"},
    {"type": "output_audio_buffer.clear"},
)
"""Events that a careful client sends: every type, with most of its fields."""

_JUNK: tuple[Callable[[Random], object], ...] = (
    lambda _: None,
    lambda _: True,
    lambda _: [],
    lambda _: {},
    lambda _: "",
    lambda _: -1,
    lambda _: 10**40,
    lambda _: 1e308,
    lambda _: "\ud800",
    lambda _: "\0‮🤖",
    lambda _: "<|im_end|>",
    lambda random: "x" * 10 ** random.randrange(6),
    lambda random: [{}] * 4 ** random.randrange(7),
    lambda random: [[]] * 4 ** random.randrange(7),
    lambda random: {str(number): {} for number in range(4 ** random.randrange(6))},
    lambda random: _nested(4 ** random.randrange(5)),
    lambda random: [_TEXT] * 4 ** random.randrange(5),
    lambda random: "A" * (4 ** random.randrange(11)),
    lambda random: random.choice(VALID),
)


def mutated(random: Random, count: int, largest_bytes: int) -> Iterator[str]:
    """`count` events as text, at most `largest_bytes` long, a few of them valid. The same for the same `random`."""
    for number in range(count):
        event = _copied(VALID[number % len(VALID)])
        for _ in range(random.randrange(4)):
            _change(event, random)
        text = json.dumps(event, ensure_ascii=random.random() < 0.5)
        if random.random() < 0.1:
            text = _torn(text, random)
        if random.random() < 0.005:
            text = _stretched(text, random.randrange(largest_bytes), random)
        yield text.encode(errors="replace")[:largest_bytes].decode(errors="ignore")


def _change(event: object, random: Random) -> None:
    """Replace, remove, repeat or add one value somewhere in `event`."""
    if not (places := list(_places(event))):
        return
    holder, key = random.choice(places)
    action = random.randrange(6)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, dict):
        holder[f"{key}_"] = holder[key]
    elif action == 2 and isinstance(holder, list):
        holder *= 4 ** random.randrange(5)
    else:
        holder[key] = _copied(random.choice(_JUNK)(random))


def _places(value: object, levels: int = 10) -> Iterator[tuple[Any, Any]]:
    """The values within `value`, by what holds each and its key there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(inner)[:50]:
        yield value, key
        if levels:
            yield from _places(item, levels - 1)


def _torn(text: str, random: Random) -> str:
    """`text` as it is no JSON any more, or other JSON."""
    at = random.randrange(len(text))
    inserted = random.choice(("", '"', "[" * 30_000, "{", ",", "\\u0000", "\\ud800", "NaN", "1e999", "\x00", "🤖"))
    return text[:at] + inserted + text[at + random.randrange(3) :]


def _stretched(text: str, length: int, random: Random) -> str:
    """`text` with as much in it, of one kind, as an event may have."""
    filler = random.choice(("A", " ", "{},", "[", '"a":1,', "🤖"))
    at = random.randrange(len(text)) if random.random() < 0.5 else text.find("AAAA") + 4
    return text[:at] + filler * (length // len(filler)) + text[at:]


def _copied(value: object) -> Any:  # noqa: ANN401 - JSON
    return json.loads(json.dumps(value))


def _nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value
