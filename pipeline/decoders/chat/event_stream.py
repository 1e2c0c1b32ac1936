"""The event stream of a chat completion: skips what carries nothing, and raises for what is not a reply."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from httpx2 import EventSource, Response
from pydantic import BaseModel, ValidationError

_END = "[DONE]"
_DRAIN_S = 0.1
"""Longest wait for the end of the body, after which the connection can be reused; the answer's end is delayed by it."""
_SHOWN = 300
"""Characters that an error message shows of an unexpected event."""


class FunctionDelta(BaseModel):
    """A piece of a call's name and arguments."""

    name: str | None = None
    arguments: str | None = None


class CallDelta(BaseModel):
    """A piece of a tool call."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(BaseModel):
    """A piece of the message. Servers send separate thoughts as `reasoning`, `reasoning_content`, or both."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[CallDelta] | None = None

    @property
    def thought(self) -> str:
        """The piece of thought; "" if there is none."""
        return self.reasoning or self.reasoning_content or ""

    @property
    def characters(self) -> int:
        """Length of all its text, names and arguments of calls included."""
        functions = [call.function for call in self.tool_calls or () if call.function is not None]
        called = sum(len(function.name or "") + len(function.arguments or "") for function in functions)
        return len(self.thought) + len(self.content or "") + called


class Choice(BaseModel):
    """A piece of one of the alternatives that a server generates; we ask for one."""

    delta: Delta | None = None
    finish_reason: str | None = None


class PromptDetails(BaseModel):
    """How many tokens of the prompt were in the server's cache."""

    cached_tokens: int | None = None


class Usage(BaseModel):
    """Token counts, as far as the server reports them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None


class Chunk(BaseModel):
    """One event of the stream, as OpenAI specifies it; servers may leave out anything or send it as null."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None

    @property
    def deltas(self) -> list[Delta]:
        """The pieces of the message in this chunk."""
        return [choice.delta for choice in self.choices or () if choice.delta is not None]

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ends here; None if it does not."""
        return next((choice.finish_reason for choice in self.choices or () if choice.finish_reason), None)

    @property
    def says_something(self) -> bool:
        """Whether the chunk holds a thought, a word or a piece of a call."""
        return any(delta.thought or delta.content or delta.tool_calls for delta in self.deltas)


class StreamError(Exception):
    """What the server sent is not a reply, or not a complete one. `status`: the HTTP status that it reports, else 0."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


async def chunks(response: Response) -> AsyncGenerator[Chunk]:
    """The chunks of a complete reply. Raises `StreamError`, and what reading the response raises.

    A reply is complete if it ends with a reason, or the stream with its usual end: otherwise the connection was lost.
    """
    whole = False
    events = aiter(EventSource(response))
    async for event in events:
        if event.data.startswith(_END):
            with suppress(Exception):
                async with asyncio.timeout(_DRAIN_S):
                    async for _ in events:
                        pass
            return
        if event.data.strip() in ("", "null"):  # pings, and other events that keep a connection open
            continue
        chunk = _parsed(event.data)
        whole = whole or chunk.finish_reason is not None
        yield chunk
    if not whole:
        raise StreamError("the connection was closed in the middle of the answer")


def _parsed(data: str) -> Chunk:
    try:
        chunk = Chunk.model_validate_json(data)
    except ValidationError as error:
        raise StreamError(f"it sent an event that is not part of one: {data[:_SHOWN]}") from error
    # Servers report errors in many ways, but never together with a part of a reply.
    if chunk.error or not chunk.model_fields_set & {"choices", "usage"}:
        raise StreamError(f"it sent {data[:_SHOWN]}", _status_in(chunk.error))
    return chunk


def _status_in(error: object) -> int:
    """The HTTP status that stands in an error event, as in those of vLLM and llama.cpp; 0: none."""
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 0
