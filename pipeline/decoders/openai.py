"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, hosted models."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from openai import APIStatusError, AsyncOpenAI, OpenAIError

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
    Unit,
    Written,
)
from pipeline.decoders.messages import in_words, parted
from pipeline.decoders.openai_audio import part_of, settled, text_part, with_part
from pipeline.decoders.openai_stream import CallDelta, Chunk, StreamError, Usage, chunks
from pipeline.decoders.thoughts import QWEN3, STEP_AUDIO_R1, ThoughtFormat, ThoughtSplitter, format_of_model
from pipeline.decoders.units import UnitList
from pipeline.embeddings import Clip, Embeddings
from pipeline.encoders.encoder import Encoder

log = logging.getLogger(__name__)

_CHARACTERS_A_TOKEN = 3.5
"""Of English text, on the safe side; the server's own tokenizer is not known here."""

STEP_AUDIO_END = 151665
"""<|EOT|>, with which Step-Audio ends its messages."""


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
        ear: Encoder | None = None,
    ) -> None:
        """`thoughts`: how the model writes its thoughts; None: as the models of that name do. `ear`: for one that
        takes sound; None: it gets words."""
        self._client = AsyncOpenAI(base_url=url, api_key=api_key or "none", timeout=timeout_s, max_retries=0)
        self._model = model
        self._capacity = capacity
        self._timeout_s = timeout_s
        self._thoughts = thoughts or format_of_model(model)
        self.ear = ear

    @property
    def thinks(self) -> bool:
        return self._thoughts is not None and bool(self._thoughts.opens)

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> "OpenAiContext":
        # Who is unknown is watched for the tags that most models use.
        watched = self._thoughts or QWEN3
        return OpenAiContext(self._client, self._model, watched, self._capacity, self._timeout_s, instructions, tools)

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
        timeout_s: float,
        instructions: str,
        tools: Sequence[Tool],
    ) -> None:
        super().__init__(capacity, tools)
        self._client = client
        self._model = model
        self._thoughts = thoughts
        self._timeout_s = timeout_s
        self._instructions = instructions
        self._ahead: Unit | None = None
        """Up to this clip the server has read while the person spoke, or is reading."""
        self._reading: asyncio.Task[None] | None = None

    async def length(self) -> int:
        """An estimate from the number of characters, and from the length of the sound."""
        written = self._messages([unit for unit in self._units if not isinstance(unit, Clip)])
        heard = sum(len(unit) for unit in self._units if isinstance(unit, Clip))
        return round(len(str(written)) / _CHARACTERS_A_TOKEN) + heard

    async def end_of_turn_probability(self) -> None:
        """Chat completions give no distribution for what a user would say next.

        But a server with a prefix cache reads what is closed of the open turn's sound, and has read it when that ends.
        Nobody waits for it, and an answer stops it: what was read by then counts.
        """
        units = settled(self._units)
        last = units[-1] if units else None
        if last is self._ahead:
            return
        await self._stop_reading()
        self._ahead = last
        if units:
            self._reading = asyncio.create_task(self._read_ahead(units))

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Written]:
        """Until the first token has come, a server that fails is asked once more; one that says nothing is not.

        Somebody waits for the answer, and has waited for `timeout_s` then, whatever else the server sent.
        """
        await self._stop_reading()
        _, open_message = parted(self._units)
        thinking = None if open_message is None else self._thoughts.goes_on_thinking(open_message)
        request = self._request(sampling, tool_choice, goes_on=open_message is not None)
        clock = asyncio.get_running_loop().time
        waits_until = clock() + self._timeout_s
        for again in (True, False):
            reply = _Reply(ThoughtSplitter(self._thoughts, thinking))
            try:
                async with aclosing(self._streamed(request)) as stream:
                    while True:
                        async with asyncio.timeout_at(waits_until):
                            chunk = await anext(stream, None)
                        if chunk is None:
                            break
                        for part in reply.parts(chunk):
                            again = False
                            yield part
                        if chunk.says_something:
                            waits_until = clock() + self._timeout_s
                for rest in reply.rest():
                    again = False
                    yield rest
                return
            except TimeoutError as error:
                raise self._failure(f"it timed out, with no word for {self._timeout_s:g} s") from error
            except (OpenAIError, StreamError) as error:
                if not again or _is_final(error):
                    raise self._failure(error) from error

    async def close(self) -> None:
        await self._stop_reading()
        self._units.clear()

    async def _streamed(self, request: dict[str, Any]) -> AsyncGenerator[Chunk]:
        """Raises `OpenAIError` and `StreamError` only."""
        try:
            # Who reads this has the time that it waits in hand: a timeout for bytes would be put off by each ping.
            async with await self._client.chat.completions.create(**request, timeout=None) as stream:
                async for chunk in chunks(stream.response):
                    yield chunk
        except (OpenAIError, StreamError):
            raise
        except Exception as error:  # of HTTP, TLS or a codec: they have no name in common
            raise StreamError(f"the stream broke off with {error!r}") from error

    async def _read_ahead(self, units: list[Unit]) -> None:
        try:
            await self._client.chat.completions.create(
                model=self._model,
                messages=cast(Any, self._messages(units)),
                max_tokens=1,  # vLLM has no 0
                extra_body={"add_generation_prompt": False},
            )
        except Exception as error:
            # The answer will meet the same trouble, and tells it.
            log.warning("%s could not read ahead", self._client.base_url, exc_info=True)
            if not _is_final(error):
                self._ahead = None  # to be tried again at the next look

    async def _stop_reading(self) -> None:
        """Hang up, if the server is reading, which makes it stop."""
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait([self._reading])
            self._ahead = None

    def _request(self, sampling: Sampling, tool_choice: ToolChoice, goes_on: bool) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": self._messages(self._units),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "extra_body": {},
        }
        if sampling.seed is not None:
            request["seed"] = sampling.seed
        if self._tools:
            request["tools"] = [_function(tool) for tool in self._tools]
            request["tool_choice"] = _choice(tool_choice)
        if goes_on:  # as vLLM and llama.cpp know it
            request["extra_body"] |= {"continue_final_message": True, "add_generation_prompt": False}
        if self._thoughts is STEP_AUDIO_R1:  # its tokenizer names another end
            request["extra_body"] |= {"stop_token_ids": [STEP_AUDIO_END]}
        return request

    def _messages(self, units: list[Unit]) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": self._instructions}]
        over, open_message = parted(units)
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

    def _failure(self, why: Exception | str) -> DecoderError:
        return DecoderError(f"{self._client.base_url} gave no answer: {why}")


@dataclass(slots=True)
class _Call:
    """As far as it has come."""

    index: int | None
    id: str | None
    name: str = ""
    arguments: str = ""


class _Reply:
    """What a server streams, as it comes."""

    def __init__(self, splitter: ThoughtSplitter) -> None:
        self._splitter = splitter
        self._calls: list[_Call] = []
        self._reason: str | None = None
        self._usage = Usage()

    def parts(self, chunk: Chunk) -> Iterator[Thought | Token]:
        """A server that parts thoughts from words has a field for them, and no tags in words."""
        self._usage = chunk.usage or self._usage
        self._reason = chunk.finish_reason or self._reason
        for delta in chunk.deltas:
            if delta.thought:
                self._splitter.answer()
                yield Thought(delta.thought)
            if delta.content:
                yield from self._splitter.push(delta.content)
            for call in delta.tool_calls or ():
                self._take(call)

    def rest(self) -> Iterator[Written]:
        yield from self._splitter.finish()
        for call in self._calls:
            yield ToolCall(call.name, call.arguments)
        details = self._usage.prompt_tokens_details
        yield Finished(
            "length" if self._reason == "length" else "stop",
            self._usage.prompt_tokens or 0,
            (details.cached_tokens if details is not None else None) or 0,
            self._usage.completion_tokens or 0,
        )

    def _take(self, delta: CallDelta) -> None:
        """A call goes on under its index. Some servers give all calls the same, some each delta an id or the name."""
        name = (delta.function.name if delta.function is not None else None) or ""
        call = next((call for call in reversed(self._calls) if call.index == delta.index), None)
        if call is None or (name and delta.id and delta.id != call.id):
            call = _Call(delta.index, delta.id)
            self._calls.append(call)
        call.name = call.name or name
        call.arguments += (delta.function.arguments if delta.function is not None else None) or ""


def _is_final(error: Exception) -> bool:
    """Whether the server would say the same again."""
    return isinstance(error, APIStatusError) and error.status_code < 500 and error.status_code not in (408, 429)


def _function(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    if isinstance(choice, Tool):
        return {"type": "function", "function": {"name": choice.name}}
    return cast(str, choice)
