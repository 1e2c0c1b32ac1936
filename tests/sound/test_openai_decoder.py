"""The decoder behind OpenAI's chat API, against the one that llama.cpp's server speaks."""

import asyncio

import pytest

from pipeline.decoders.chat.chat_completions import ChatDecoder
from pipeline.decoders.chat.served_context import served_context
from pipeline.decoders.decoder import (
    Close,
    DecoderError,
    Finished,
    Open,
    Sampling,
    Text,
    Token,
    ToolCallUnit,
    ToolResultUnit,
    Unit,
)
from tests.support.llama_decoders import llama

GREEDY = Sampling(temperature=0, top_p=1, max_tokens=24, seed=1)
QUESTION: list[Unit] = [Open("user"), Text("What is the capital of France?"), Close("user")]


async def test_it_answers_and_counts() -> None:
    async with llama() as decoding:
        decoder = ChatDecoder(f"{decoding.server.url}/v1", decoding.server.api_key, "any", capacity=512, timeout_s=20)
        context = decoder.open("Be brief.")
        await context.append(QUESTION)
        parts = [part async for part in context.generate(GREEDY)]
        text = "".join(part.text for part in parts if isinstance(part, Token))
        assert "Paris" in text
        finished = parts[-1]
        assert isinstance(finished, Finished)
        assert finished.prompt_tokens > 10
        assert finished.completion_tokens > 3
        await decoder.close()


async def test_the_server_says_how_much_it_takes() -> None:
    async with llama(capacity=768) as decoding:
        assert await served_context(f"{decoding.server.url}/v1", decoding.server.api_key, "any") == 768


async def test_the_token_limit_is_told() -> None:
    async with llama() as decoding:
        decoder = ChatDecoder(f"{decoding.server.url}/v1", decoding.server.api_key, "any", capacity=512, timeout_s=20)
        context = decoder.open("Tell long stories.")
        await context.append([Open("user"), Text("Tell me a story."), Close("user")])
        *_, finished = [part async for part in context.generate(Sampling(0, 1, 5))]
        assert isinstance(finished, Finished)
        assert (finished.reason, finished.completion_tokens) == ("length", 5)
        await decoder.close()


async def test_a_history_with_calls_is_understood() -> None:
    async with llama() as decoding:
        decoder = ChatDecoder(f"{decoding.server.url}/v1", decoding.server.api_key, "any", capacity=512, timeout_s=20)
        context = decoder.open("Be brief.")
        mark = context.mark()
        await context.append(QUESTION)
        context.rewind(mark)
        await context.append([Open("user"), Text("What time is it?"), Close("user")])
        await context.append([Open("assistant"), ToolCallUnit("call_1", "clock", "{}"), Close("assistant")])
        await context.append([Open("tool"), ToolResultUnit("call_1", "Noon."), Close("tool")])
        assert 5 < await context.length() < 200
        assert [part async for part in context.generate(GREEDY)]
        await decoder.close()


async def test_closing_the_iterator_stops_the_server() -> None:
    async with llama(slots=1) as decoding:
        decoder = ChatDecoder(f"{decoding.server.url}/v1", decoding.server.api_key, "any", capacity=512, timeout_s=20)
        context = decoder.open("Count.")
        await context.append([Open("user"), Text("Count to a thousand."), Close("user")])
        endless = context.generate(Sampling(0, 1, 400))
        await anext(aiter(endless))
        await endless.aclose()  # type: ignore[attr-defined]
        async with asyncio.timeout(60):
            assert [part async for part in context.generate(Sampling(0, 1, 2))]
        await decoder.close()


async def test_a_wrong_key_and_a_dead_server_are_said_in_words() -> None:
    async with llama() as decoding:
        for url, key in ((f"{decoding.server.url}/v1", "wrong"), ("http://127.0.0.1:9/v1", "")):
            decoder = ChatDecoder(url, key, "any", capacity=512, timeout_s=2)
            context = decoder.open("Be brief.")
            await context.append(QUESTION)
            with pytest.raises(DecoderError, match=f"{url}/ gave no answer"):
                [part async for part in context.generate(GREEDY)]
            await decoder.close()
