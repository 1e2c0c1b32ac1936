"""A context's units as the messages and tools of a chat completion. Pure."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, cast

from pipeline.decoders.chat.audio_parts import part_of, text_part, with_part
from pipeline.decoders.decoder import (
    Close,
    Open,
    Text,
    Thought,
    Tool,
    ToolCallUnit,
    ToolChoice,
    ToolResultUnit,
    Unit,
)
from pipeline.decoders.messages import parted, texts_of
from pipeline.decoders.thought_formats import ThoughtFormat
from pipeline.encoders.audio_units import Clip, Embeddings


def chat_messages(instructions: str, units: Sequence[Unit], thoughts: ThoughtFormat) -> list[dict[str, Any]]:
    """The messages of a request. `thoughts`: how an open message's thoughts are written. Raises `DecoderError`."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": instructions}]
    over, open_message = parted(list(units))
    for unit in over:
        match unit:
            case Open():
                messages.append({"role": unit.role, "content": ""})
            case Text() if isinstance(messages[-1]["content"], list):
                messages[-1]["content"].append(text_part(unit.text))
            case Text():
                messages[-1]["content"] += unit.text
            case Clip():
                messages[-1]["content"] = with_part(messages[-1]["content"], part_of(unit))
            case ToolCallUnit():
                function = {"name": _wire_name(unit.name), "arguments": unit.arguments}
                call = {"id": _wire_id(unit.call_id), "type": "function", "function": function}
                messages[-1].setdefault("tool_calls", []).append(call)
            case ToolResultUnit():
                messages[-1] |= {"tool_call_id": _wire_id(unit.call_id), "content": unit.output}
            case Embeddings():
                texts_of([unit])
            case Close() | Thought():
                pass
    if open_message is not None:
        pieces = thoughts.continuation("", open_message)
        messages.append({"role": "assistant", "content": "".join(text for text, _ in pieces)})
    return messages


def wire_tool(tool: Tool) -> dict[str, Any]:
    """A tool that the server's model may call."""
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def wire_choice(choice: ToolChoice) -> str | dict[str, Any]:
    """Whether and which tool the server's model may call."""
    if isinstance(choice, Tool):
        return {"type": "function", "function": {"name": choice.name}}
    return cast(str, choice)


_WIRE_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
"""Ids of calls that every server takes: some refuse longer ones."""


def _wire_id(call_id: str) -> str:
    return call_id if _WIRE_ID.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:32]


def _wire_name(name: str) -> str:
    """The name of a function that was called, in the characters that every server takes."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "_"
