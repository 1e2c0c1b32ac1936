"""The chat decoder with a real vLLM and a small model: what a conversation asks of it, and what vLLM's metrics show."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from pipeline.conversation.context_sync import ContextSync, ItemUnits
from pipeline.decoders.chat.chat_completions import ChatContext, ChatDecoder
from pipeline.decoders.decoder import (
    Close,
    DecoderError,
    Finished,
    Open,
    Sampling,
    Text,
    Token,
    Tool,
    ToolCall,
    ToolChoice,
    Unit,
)
from pipeline.decoders.thought_formats import QWEN3
from pipeline.thinking.prompts import articulation, formulation
from tests.cluster import vllm as servers
from tests.cluster.vllm import BLOCK, CONTEXT, MODEL, PATIENCE_S, Vllm, become

INSTRUCTIONS = "You are a helpful assistant on the telephone. Answer in one short sentence, and never use lists."
QUESTION: list[Unit] = [Open("user"), Text("What is the capital of France?"), Close("user")]
STORY: list[Unit] = [Open("user"), Text("Tell me a very long story about a ship."), Close("user")]
WEATHER = Tool("weather", "Says the weather.", {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}})


@pytest.fixture(scope="module")
def vllm() -> Iterator[Vllm]:
    with servers.running() as server:
        yield server


@asynccontextmanager
async def deciding(vllm: Vllm) -> AsyncIterator[ChatDecoder]:
    decoder = ChatDecoder(
        vllm.url, "", MODEL, capacity=CONTEXT, timeout_s=PATIENCE_S, opinion_s=PATIENCE_S, thoughts=QWEN3
    )
    yield decoder
    await decoder.close()


@asynccontextmanager
async def opened(vllm: Vllm, units: Sequence[Unit], tools: Sequence[Tool] = ()) -> AsyncIterator[ChatContext]:
    async with deciding(vllm) as decoder:
        context = decoder.open(INSTRUCTIONS, tools)
        await context.append(units)
        yield context
        await context.close()


async def answer(context: ChatContext, most: int = 24, choice: ToolChoice = "auto") -> tuple[str, Finished]:
    words, end = "", None
    async for part in context.generate(Sampling(0, 1, most), choice):
        words += part.text if isinstance(part, Token) else ""
        end = part if isinstance(part, Finished) else None
    assert end is not None
    return words, end


async def test_an_answer_comes_piece_by_piece_and_is_counted(vllm: Vllm) -> None:
    async with opened(vllm, QUESTION) as context:
        parts = [part async for part in context.generate(Sampling(0, 1, 24))]
    pieces = [part.text for part in parts if isinstance(part, Token)]
    assert "Paris" in "".join(pieces)
    assert len(pieces) > 4
    end = parts[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.completion_tokens > 4, end.prompt_tokens > 20) == ("stop", True, True)


async def test_an_answer_that_nobody_wants_any_more_is_aborted(vllm: Vllm) -> None:
    written = vllm.metric("generation_tokens_total")
    async with opened(vllm, STORY) as context, aclosing(context.generate(Sampling(0, 1, 1500))) as story:  # type: ignore[type-var]
        await anext(story)
        assert vllm.metric("num_requests_running") == 1
    await become(vllm, "num_requests_running", 0)
    assert vllm.metric("generation_tokens_total") - written < 150


async def test_an_open_message_is_continued(vllm: Vllm) -> None:
    async with opened(vllm, [*QUESTION, Open("assistant"), Text("The capital of France is")]) as context:
        words, _ = await answer(context, 4)
    assert words.startswith(" Paris")


async def test_listening_fills_the_cache_that_the_answer_reads(vllm: Vllm) -> None:
    """While somebody speaks, each look at the words asks whether they are over: vLLM keeps what it read for that."""
    said = "I have been to Rome, to Madrid and to Lisbon in the last year. Now tell me what is the capital of France"
    words = said.split()
    async with deciding(vllm) as decoder:
        sync = ContextSync(decoder)
        hits = vllm.metric("prefix_cache_hits_total")
        for heard in (8, 16, len(words)):
            spoken = ItemUnits("u", (Open("user"), Text(" ".join(words[:heard]))))
            async with sync.read(INSTRUCTIONS, (), [spoken], 100) as context:
                await context.end_of_turn_probability()
        listened = vllm.metric("prefix_cache_hits_total")
        assert listened - hits >= BLOCK
        turn = ItemUnits("u", (Open("user"), Text(f"{said}?"), Close("user")))
        async with sync.read(INSTRUCTIONS, (), [turn], 100) as context:
            assert isinstance(context, ChatContext)
            _, end = await answer(context)
        await sync.close()
    assert vllm.metric("prefix_cache_hits_total") - listened == end.cached_tokens
    assert end.cached_tokens == end.prompt_tokens // BLOCK * BLOCK


async def test_thoughts_and_speech_read_the_conversation_once(vllm: Vllm) -> None:
    """Each segment of an answer is a request of its own, which finds in the cache what the first one has read."""
    before: list[Unit] = [
        Open("user"),
        Text("I like the following ten fruits. " + "Apples and pears. " * 30),
        Close("user"),
    ]
    async with opened(vllm, [*before, Open("assistant"), Text("So do I."), Close("assistant"), *QUESTION]) as context:
        mark, hits = context.mark(), vllm.metric("prefix_cache_hits_total")
        cached = []
        for segment in (
            formulation(""),
            articulation("It is in Europe.", ""),
            formulation("It is in Europe. The city"),
        ):
            context.rewind(mark)
            await context.append(segment)
            _, end = await answer(context, 8)
            cached.append(end.cached_tokens)
    common = (end.prompt_tokens - 2 * BLOCK) // BLOCK * BLOCK
    assert common > 3 * BLOCK
    assert min(cached[1:]) >= common
    assert vllm.metric("prefix_cache_hits_total") - hits == sum(cached)


async def test_it_knows_when_a_sentence_is_over(vllm: Vllm) -> None:
    async with deciding(vllm) as decoder:
        opinions = []
        for words in ("Hello", "What is the capital of France", "What is the capital of", "I would like to book a"):
            context = decoder.open(INSTRUCTIONS)
            await context.append([Open("user"), Text(words)])
            opinions.append(await context.end_of_turn_probability())
            await context.close()
    _, complete, *unfinished = opinions  # the first request of a server takes its time
    assert complete is not None
    assert complete > 0.5
    assert all(opinion is not None and opinion < 0.05 for opinion in unfinished)


async def test_a_tool_that_must_be_called_is_called(vllm: Vllm) -> None:
    """vLLM names the tool; so small a model gives it a bare city, where the schema wants an object."""
    units: list[Unit] = [Open("user"), Text("How is the weather in Paris?"), Close("user")]
    async with opened(vllm, units, [WEATHER]) as context:
        parts = [part async for part in context.generate(Sampling(0, 1, 40), WEATHER)]
    [call] = [part for part in parts if isinstance(part, ToolCall)]
    assert call.name == "weather"
    assert "paris" in call.arguments.lower()


async def test_two_conversations_are_answered_at_once(vllm: Vllm) -> None:
    async with opened(vllm, STORY) as one, opened(vllm, [*STORY, Open("assistant"), Text("Once")]) as other:
        order: list[str] = []

        async def tell(name: str, context: ChatContext) -> None:
            async for _ in context.generate(Sampling(0, 1, 40)):
                order.append(name)

        await asyncio.gather(tell("one", one), tell("other", other))
    assert "other" in order[: len(order) // 2]
    assert "one" in order[: len(order) // 2]


async def test_a_long_conversation_is_read_up_to_the_context_and_refused_beyond(vllm: Vllm) -> None:
    turn: list[Unit] = [Open("user"), Text("I like apples. " * 30), Close("user")]
    reply: list[Unit] = [Open("assistant"), Text("So do I."), Close("assistant")]
    async with opened(vllm, [*(turn + reply) * 10, *QUESTION]) as context:
        words, end = await answer(context)
        assert words
        assert end.prompt_tokens > 1200
        await context.append([*reply, *(turn + reply) * 10, *QUESTION])
        with pytest.raises(DecoderError, match=f"maximum context length is {CONTEXT}"):
            await answer(context)


async def test_a_server_that_dies_in_mid_answer_is_reported_and_answers_again_when_it_is_back(vllm: Vllm) -> None:
    async with opened(vllm, STORY) as context:
        story = context.generate(Sampling(0, 1, 1500))
        await anext(story)
        vllm.kill()
        with pytest.raises(DecoderError, match=vllm.url):
            [part async for part in story]
        vllm.start()
        words, _ = await answer(context)
        assert words
