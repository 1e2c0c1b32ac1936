"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, hosted models."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

import httpx
from openai import AsyncOpenAI, OpenAIError
from openai.types.chat.chat_completion_chunk import ChoiceDelta

from pipeline.decoders.decoder import (
    Called,
    Close,
    DecoderError,
    Finished,
    Open,
    Returned,
    Sampling,
    Text,
    Thought,
    Token,
    Tool,
    ToolCall,
    ToolChoice,
    Written,
)
from pipeline.decoders.messages import in_words, parted
from pipeline.decoders.thoughts import QWEN3, ThoughtFormat, ThoughtSplitter, format_of_model
from pipeline.decoders.units import UnitList
from pipeline.embeddings import Embeddings

_CHARACTERS_A_TOKEN = 3.5
"""Of English text, on the safe side; the server's own tokenizer is not known here."""


class OpenAi:
    """A connection to one model of one server, shared by all conversations."""

    def __init__(
        self,
        url: str,
        api_key: str,
        model: str,
        *,
        capacity: int,
        timeout_s: float,
        thoughts: ThoughtFormat | None = None,
    ) -> None:
        """`thoughts`: how the model writes its thoughts; None: as the models of that name do."""
        self._client = AsyncOpenAI(base_url=url, api_key=api_key or "none", timeout=timeout_s, max_retries=1)
        self._model = model
        self._capacity = capacity
        self._thoughts = thoughts or format_of_model(model)

    @property
    def thinks(self) -> bool:
        return self._thoughts is not None and bool(self._thoughts.opens)

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> "OpenAiContext":
        # Who is unknown is watched for the tags that most models use.
        watched = self._thoughts or QWEN3
        return OpenAiContext(self._client, self._model, watched, self._capacity, instructions, tools)

    async def close(self) -> None:
        await self._client.close()


class OpenAiContext(UnitList):
    """One conversation's messages. The server keeps its own prefix cache, if it has one."""

    def __init__(
        self,
        client: AsyncOpenAI,
        model: str,
        thoughts: ThoughtFormat,
        capacity: int,
        instructions: str,
        tools: Sequence[Tool],
    ) -> None:
        super().__init__(capacity, tools)
        self._client = client
        self._model = model
        self._thoughts = thoughts
        self._instructions = instructions

    async def length(self) -> int:
        """An estimate from the number of characters."""
        return round(len(str(self._messages())) / _CHARACTERS_A_TOKEN)

    async def end_of_turn_probability(self) -> None:
        """Chat completions give no distribution for what a user would say next."""

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Written]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": self._messages(),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        if sampling.seed is not None:
            request["seed"] = sampling.seed
        if self._tools:
            request["tools"] = [_function(tool) for tool in self._tools]
            request["tool_choice"] = _choice(tool_choice)
        _, open_message = parted(self._units)
        if open_message is not None:  # as vLLM and llama.cpp know it
            request["extra_body"] = {"continue_final_message": True, "add_generation_prompt": False}
        thinking = None if open_message is None else self._thoughts.goes_on_thinking(open_message)
        calls: dict[int, tuple[str, str]] = {}
        finished = Finished("stop", 0, 0, 0)
        splitter = ThoughtSplitter(self._thoughts, thinking)
        try:
            async with await self._client.chat.completions.create(**request) as stream:
                async for chunk in stream:
                    if chunk.usage is not None:
                        details = chunk.usage.prompt_tokens_details
                        cached = details.cached_tokens if details is not None else None
                        finished = Finished(
                            finished.reason, chunk.usage.prompt_tokens, cached or 0, chunk.usage.completion_tokens
                        )
                    for choice in chunk.choices:
                        for part in _parts(choice.delta, splitter):
                            yield part
                        for call in choice.delta.tool_calls or ():
                            name, arguments = calls.get(call.index, ("", ""))
                            if call.function is not None:
                                name += call.function.name or ""
                                arguments += call.function.arguments or ""
                            calls[call.index] = name, arguments
                        if choice.finish_reason == "length":
                            finished = Finished("length", 0, 0, 0)
        except (OpenAIError, httpx.HTTPError) as error:
            raise DecoderError(f"{self._client.base_url} gave no answer: {error}") from error
        for part in splitter.finish():
            yield part
        for name, arguments in calls.values():
            yield ToolCall(name, arguments)
        yield finished

    async def close(self) -> None:
        self._units.clear()

    def _messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": self._instructions}]
        over, open_message = parted(self._units)
        for unit in over:
            match unit:
                case Open():
                    messages.append({"role": unit.role, "content": ""})
                case Text():
                    messages[-1]["content"] += unit.text
                case Called():
                    function = {"name": unit.name, "arguments": unit.arguments}
                    messages[-1]["tool_calls"] = [{"id": unit.call_id, "type": "function", "function": function}]
                case Returned():
                    messages[-1] |= {"tool_call_id": unit.call_id, "content": unit.output}
                case Embeddings():
                    in_words([unit])
                case Close() | Thought():
                    pass
        if open_message is not None:
            pieces = self._thoughts.goes_on("", open_message)
            messages.append({"role": "assistant", "content": "".join(text for text, _ in pieces)})
        return messages


def _parts(delta: ChoiceDelta, splitter: ThoughtSplitter) -> Iterator[Thought | Token]:
    """Thoughts and words of a chunk. A server that parts them itself has a field for thoughts, and no tags in words."""
    beside = delta.model_extra or {}
    thought = beside.get("reasoning") or beside.get("reasoning_content")
    if isinstance(thought, str) and thought:
        splitter.answer()
        yield Thought(thought)
    if delta.content:
        yield from splitter.push(delta.content)


def _function(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    if isinstance(choice, Tool):
        return {"type": "function", "function": {"name": choice.name}}
    return cast(str, choice)
