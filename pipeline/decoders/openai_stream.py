"""What a server streams for an answer: what means nothing is passed over, and what is no answer is told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from httpx2 import EventSource, Response
from pydantic import BaseModel, ValidationError

_END = "[DONE]"
_DRAIN_S = 0.1
"""What may follow the end until the connection can be used again; the answer's own end waits for it."""
_SHOWN = 300
"""Characters of what a server sent in the place of an answer."""


class FunctionDelta(BaseModel):
    name: str | None = None
    arguments: str | None = None


class CallDelta(BaseModel):
    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(BaseModel):
    """Servers that part thoughts from words send them as `reasoning`, `reasoning_content`, or both."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[CallDelta] | None = None

    @property
    def thought(self) -> str:
        return self.reasoning or self.reasoning_content or ""


class Choice(BaseModel):
    delta: Delta | None = None
    finish_reason: str | None = None


class PromptDetails(BaseModel):
    cached_tokens: int | None = None


class Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None


class Chunk(BaseModel):
    """As OpenAI describes it, with all that a server may leave out or send as null."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Any = None

    @property
    def deltas(self) -> list[Delta]:
        return [choice.delta for choice in self.choices or () if choice.delta is not None]

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ends here; None: it does not."""
        return next((choice.finish_reason for choice in self.choices or () if choice.finish_reason), None)

    @property
    def says_something(self) -> bool:
        """Whether there is a thought, a word or a part of a call in it."""
        return any(delta.thought or delta.content or delta.tool_calls for delta in self.deltas)


class StreamError(Exception):
    """What came is no answer, or not all of one."""


async def chunks(response: Response) -> AsyncGenerator[Chunk]:
    """Those of a whole answer. Raises `StreamError`, and what reading the response raises.

    An answer is whole when its end has a reason, or the stream the usual end: else the connection was lost.
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
        if event.data.strip() in ("", "null"):  # pings, and what else keeps a connection open
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
        raise StreamError(f"it sent what is no part of one: {data[:_SHOWN]}") from error
    # Servers tell of errors in many ways, but in each without a part of an answer.
    if chunk.error or not chunk.model_fields_set & {"choices", "usage"}:
        raise StreamError(f"it sent {data[:_SHOWN]}")
    return chunk
