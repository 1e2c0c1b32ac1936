"""Judges the messages of a chat completion as strictly as OpenAI's API and vLLM do together."""

import json
import re
from collections.abc import Sequence
from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST_ID_CHARACTERS = 40


def complaint(messages: Sequence[dict[str, Any]]) -> str | None:
    """Why a server refuses `messages`; None: it accepts them."""
    if not messages:
        return "'messages' is empty"
    seen: set[str] = set()
    unanswered: list[str] = []
    for number, message in enumerate(messages):
        role = message.get("role")
        at = f"messages[{number}]"
        if role == "tool":
            call_id = message.get("tool_call_id")
            if call_id not in unanswered:
                return f"{at}: a message with role 'tool' must be a response to a preceding message with 'tool_calls'"
            unanswered.remove(call_id)
            if not isinstance(message.get("content"), str):
                return f"{at}: a tool's content is a string"
            continue
        if unanswered:
            return f"{at}: these tool_call_ids did not have response messages: {', '.join(unanswered)}"
        if role not in ("system", "user", "assistant"):
            return f"{at}: unknown role {role!r}"
        if "tool_call_id" in message or ("tool_calls" in message and role != "assistant"):
            return f"{at}: a message of the role {role} has no tool calls"
        if (reason := _of_content(message)) is not None:
            return f"{at}: {reason}"
        for call in message.get("tool_calls", ()):
            if (reason := _of_call(call)) is not None:
                return f"{at}: {reason}"
            if call["id"] in seen:
                return f"{at}: duplicate tool call id {call['id']}"
            seen.add(call["id"])
            unanswered.append(call["id"])
    return f"these tool_call_ids did not have response messages: {', '.join(unanswered)}" if unanswered else None


def _of_content(message: dict[str, Any]) -> str | None:
    content, calls = message.get("content"), message.get("tool_calls")
    if calls is not None and not calls:
        return "'tool_calls' is empty"
    if isinstance(content, list):
        return None if content and message["role"] == "user" else "only a user's content has parts"
    if not isinstance(content, str) and not (content is None and calls):
        return "content is neither text nor parts"
    return None


def _of_call(call: dict[str, Any]) -> str | None:
    if call.get("type") != "function" or not isinstance(call.get("id"), str) or not call["id"]:
        return "a tool call has a type and an id"
    if len(call["id"]) > _MOST_ID_CHARACTERS:
        return f"a tool call's id has at most {_MOST_ID_CHARACTERS} characters"
    if not _NAME.fullmatch(call["function"]["name"]):
        return f"{call['function']['name']!r} is no name of a function"
    try:
        arguments = json.loads(call["function"]["arguments"])
    except ValueError:
        return "a tool call's arguments are no JSON"
    return None if isinstance(arguments, dict) else "a tool call's arguments are no JSON object"
