"""Decoder behind any server that speaks OpenAI's chat completions: vLLM, llama.cpp, hosted models."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from openai import APIStatusError, AsyncOpenAI, OpenAIError

from pipeline.decoders.chat.audio_parts import settled
from pipeline.decoders.chat.chat_messages import chat_messages, wire_choice, wire_tool
from pipeline.decoders.chat.end_of_turn import EndOfTurnQuestion
from pipeline.decoders.chat.event_stream import CallDelta, Chunk, StreamError, Usage, chunks
from pipeline.decoders.chat.plain_calls import PlainCalls
from pipeline.decoders.decoder import (
    NOTHING_GENERATED,
    Finished,
    Generated,
    Refusal,
    Sampling,
    Thought,
    Token,
    Tool,
    ToolCall,
    ToolChoice,
    Unit,
    UpstreamError,
    UpstreamRefusal,
)
from pipeline.decoders.messages import parted
from pipeline.decoders.refusals import refusal_of
from pipeline.decoders.thought_formats import QWEN3, STEP_AUDIO_R1, ThoughtFormat, ThoughtSplitter, format_of_model
from pipeline.decoders.unit_list import UnitList
from pipeline.encoders.audio_units import Clip
from pipeline.encoders.encoder import Encoder

log = logging.getLogger(__name__)

_CHARACTERS_A_TOKEN = 3.5
"""Characters of English text in a token, a low estimate: the server's tokenizer is not known here."""

_PIECES_A_TOKEN = 4
"""Pieces in which a server may send one token: a character of UTF-8 has at most four bytes."""
_MOST_CHARACTERS_A_TOKEN = 16
"""Characters of a token, a high estimate: even runs of spaces are seldom longer."""
_LEEWAY = 32
"""Tokens that a server may send besides the answer: such as the tags of thoughts."""

OPINION_S = 0.5
"""Longest wait for an opinion on the end of a turn: by then its silence alone ends it in most cases."""

STEP_AUDIO_END = 151665
"""The token <|EOT|>, which ends Step-Audio's messages."""


class ChatDecoder:
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
        audio_encoder: Encoder | None = None,
        opinion_s: float = OPINION_S,
    ) -> None:
        """`thoughts`: how the model writes its thoughts; None: as the models of that name do.

        `audio_encoder`: for a model that takes audio; None: it reads text. `opinion_s`: longest wait for the server's
        opinion on whether a turn is over.
        """
        self._client = AsyncOpenAI(base_url=url, api_key=api_key or "none", timeout=timeout_s, max_retries=0)
        self._model = model
        self.capacity = capacity
        self._timeout_s = timeout_s
        self._thoughts = thoughts or format_of_model(model)
        self._end_of_turn = EndOfTurnQuestion(self._client, model, opinion_s)
        self.audio_encoder = audio_encoder

    @property
    def thinks(self) -> bool:
        return self._thoughts is not None and bool(self._thoughts.opens)

    @property
    def thinks_aloud(self) -> bool:
        return self._thoughts is not None and self._thoughts.aloud

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> "ChatContext":
        # Output of an unknown model is searched for the tags that most models use.
        watched = self._thoughts or QWEN3
        return ChatContext(
            self._client,
            self._model,
            watched,
            self.capacity,
            self._timeout_s,
            self._end_of_turn,
            instructions,
            tools,
        )

    async def close(self) -> None:
        await self._client.close()


class ChatContext(UnitList):
    """One conversation's messages. A prefix cache is the server's affair."""

    def __init__(
        self,
        client: AsyncOpenAI,
        model: str,
        thoughts: ThoughtFormat,
        capacity: int,
        timeout_s: float,
        end_of_turn: EndOfTurnQuestion,
        instructions: str,
        tools: Sequence[Tool],
    ) -> None:
        super().__init__(capacity, tools)
        self._client = client
        self._model = model
        self._thoughts = thoughts
        self._timeout_s = timeout_s
        self._end_of_turn = end_of_turn
        self._instructions = instructions
        self._ahead: Unit | None = None
        """The clip up to which the server has read the open message, or is reading it."""
        self._reading: asyncio.Task[None] | None = None
        self._reply: _Reply | None = None
        """The latest one."""

    @property
    def so_far(self) -> Finished:
        """See `Context`. Servers count at the end: of a reply that was stopped only the pieces are known."""
        return NOTHING_GENERATED if self._reply is None else self._reply.so_far

    async def length(self) -> int:
        """An estimate from the number of characters and the length of the audio."""
        written = self._messages([unit for unit in self._units if not isinstance(unit, Clip)])
        clips = sum(len(unit) for unit in self._units if isinstance(unit, Clip))
        return round(len(str(written)) / _CHARACTERS_A_TOKEN) + clips

    async def prefill(self) -> None:
        """Have the server read the closed clips of the open message into its prefix cache, in the background.

        An answer cancels the request; what the server has read by then stays in its cache. Without closed clips there
        is nothing to gain: text is read quickly.
        """
        units = settled(self._units)
        last = units[-1] if units else None
        if last is self._ahead:
            return
        await self._stop_reading()
        self._ahead = last
        if units:
            self._reading = asyncio.create_task(self._read_ahead(units))

    async def end_of_turn_probability(self) -> float | None:
        """See `Context`. None also where the server cannot tell: vLLM can."""
        return await self._end_of_turn.ask(self._messages(self._units), [wire_tool(tool) for tool in self._tools])

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Generated]:
        """See `Context`. A server that fails before the first token is asked once more; one that stays silent is not.

        The wait for the next word ends after `timeout_s`, whatever else the server sends: a listener is waiting.
        """
        await self._stop_reading()
        _, open_message = parted(self._units)
        thinking = None if open_message is None else self._thoughts.continues_thought(open_message)
        request = self._request(sampling, tool_choice, continues=open_message is not None)
        clock = asyncio.get_running_loop().time
        waits_until = clock() + self._timeout_s
        for again in (True, False):
            reply = self._reply = _Reply(ThoughtSplitter(self._thoughts, thinking))
            plain = PlainCalls(() if tool_choice == "none" else self._tools)
            try:
                async with aclosing(self._streamed(request)) as stream:
                    while True:
                        async with asyncio.timeout_at(waits_until):
                            chunk = await anext(stream, None)
                        if chunk is None:
                            break
                        for part in plain.read(reply.parts(chunk)):
                            again = False
                            yield part
                        if reply.is_longer_than(sampling.max_tokens):
                            log.warning("%s ignores max_tokens and was stopped", self._client.base_url)
                            reply.cut()
                            break
                        if chunk.says_something:
                            waits_until = clock() + self._timeout_s
                for rest in plain.read(reply.rest()):
                    again = False
                    yield rest
                return
            except TimeoutError as error:
                raise self._failure(f"it timed out, with no word for {self._timeout_s:g} s") from error
            except (OpenAIError, StreamError) as error:
                if not again or _refusal_of(error) is not None:
                    raise self._failure(error) from error

    async def close(self) -> None:
        await self._stop_reading()
        self._units.clear()

    async def _streamed(self, request: dict[str, Any]) -> AsyncGenerator[Chunk]:
        """The chunks of the reply. Raises `OpenAIError` and `StreamError` only."""
        try:
            # The caller limits the wait for words; a timeout for bytes would be restarted by each ping.
            async with await self._client.chat.completions.create(**request, timeout=None) as stream:
                async for chunk in chunks(stream.response):
                    yield chunk
        except (OpenAIError, StreamError):
            raise
        except Exception as error:  # of HTTP, TLS or a codec: they have no base class in common
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
            # The answer will meet the same error, and reports it.
            log.warning("%s could not read ahead", self._client.base_url, exc_info=True)
            if _refusal_of(error) is None:
                self._ahead = None  # to be tried again at the next prefill

    async def _stop_reading(self) -> None:
        """Cancel a request that is reading ahead: the server stops when the connection closes."""
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait([self._reading])
            self._ahead = None

    def _request(self, sampling: Sampling, tool_choice: ToolChoice, continues: bool) -> dict[str, Any]:
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
            request["tools"] = [wire_tool(tool) for tool in self._tools]
            request["tool_choice"] = wire_choice(tool_choice)
        if continues:  # the extension of vLLM and llama.cpp
            request["extra_body"] |= {"continue_final_message": True, "add_generation_prompt": False}
        if self._thoughts is STEP_AUDIO_R1:  # its tokenizer names another end of message
            request["extra_body"] |= {"stop_token_ids": [STEP_AUDIO_END]}
        return request

    def _messages(self, units: Sequence[Unit]) -> list[dict[str, Any]]:
        return chat_messages(self._instructions, units, self._thoughts)

    def _failure(self, why: Exception | str) -> UpstreamError:
        message = f"{self._client.base_url} gave no answer: {why}"
        refusal = _refusal_of(why)
        return UpstreamError(message) if refusal is None else UpstreamRefusal(refusal, message)


@dataclass(slots=True)
class _Call:
    """A tool call as far as it has arrived."""

    index: int | None
    id: str | None
    name: str = ""
    arguments: str = ""


class _Reply:
    """The reply of a server as it arrives."""

    def __init__(self, splitter: ThoughtSplitter) -> None:
        self._splitter = splitter
        self._calls: list[_Call] = []
        self._reason: str | None = None
        self._usage = Usage()
        self._pieces = 0
        self._characters = 0

    def is_longer_than(self, tokens: int) -> bool:
        """Whether it has certainly taken more than `tokens` tokens, however the server cuts them into pieces."""
        return self._pieces > _PIECES_A_TOKEN * tokens + _LEEWAY or (
            self._characters > _MOST_CHARACTERS_A_TOKEN * (tokens + _LEEWAY)
        )

    def cut(self) -> None:
        """End it here, as if the server had kept to its limit."""
        self._reason = "length"

    def parts(self, chunk: Chunk) -> Iterator[Thought | Token]:
        """The thoughts and words of a chunk. A server with a field for thoughts sends no tags in words."""
        self._usage = chunk.usage or self._usage
        self._reason = chunk.finish_reason or self._reason
        for delta in chunk.deltas:
            self._pieces += bool(delta.characters)
            self._characters += delta.characters
            if delta.thought:
                self._splitter.answer()
                yield Thought(delta.thought)
            if delta.content:
                yield from self._splitter.push(delta.content)
            for call in delta.tool_calls or ():
                self._take(call)

    def rest(self) -> Iterator[Generated]:
        """What is known at the end of the stream only: text held back, tool calls, and the end itself."""
        self._reason = self._reason or "stop"
        yield from self._splitter.finish()
        for call in self._calls:
            yield ToolCall(call.name, call.arguments)
        yield self.so_far

    @property
    def so_far(self) -> Finished:
        """Its end, as if it were here. Servers count at the end; until then, a piece counts as a token."""
        details, written = self._usage.prompt_tokens_details, self._usage.completion_tokens
        return Finished(
            "length" if self._reason == "length" else "stop",
            self._usage.prompt_tokens or 0,
            (details.cached_tokens if details is not None else None) or 0,
            written or (self._pieces if self._reason is None else 0),
        )

    def _take(self, delta: CallDelta) -> None:
        """Add to the call with the same index. Some servers use one index for all, some repeat the id or the name."""
        name = (delta.function.name if delta.function is not None else None) or ""
        call = next((call for call in reversed(self._calls) if call.index == delta.index), None)
        if call is None or (name and delta.id and delta.id != call.id):
            call = _Call(delta.index, delta.id)
            self._calls.append(call)
        call.name = call.name or name
        call.arguments += (delta.function.arguments if delta.function is not None else None) or ""


def _refusal_of(error: Exception | str) -> Refusal | None:
    """Why the server would answer the same again; None: it might not."""
    match error:
        case APIStatusError():
            return refusal_of(error.status_code, f"{error.code} {error.message}")
        case StreamError():
            return refusal_of(error.status, str(error))
        case _:
            return None
