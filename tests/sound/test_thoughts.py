"""Thoughts and speech in turn from one real model, which was taught no thoughts: it is given tags to think in."""

import pytest

from pipeline.decoders.chat.chat_completions import ChatDecoder
from pipeline.decoders.decoder import (
    Close,
    Context,
    Finished,
    Open,
    Sampling,
    Text,
    Thought,
    Token,
    Tool,
    ToolCall,
    Unit,
)
from pipeline.decoders.thought_formats import QWEN3, STEP_AUDIO_R1, ThoughtFormat
from pipeline.thinking.prompts import articulation, formulation
from tests.support.llama_decoders import asked, llama

QUESTION = "I have two apples and buy three more. How many apples have I got?"


async def write(context: Context, units: list[Unit], tokens: int) -> list[Thought | Token]:
    """Go on with an open message, which is not kept."""
    mark = context.mark()
    await context.append(units)
    parts = [part async for part in context.generate(Sampling(0, 1, tokens))]
    context.rewind(mark)
    assert isinstance(parts.pop(), Finished)
    return [part for part in parts if isinstance(part, Thought | Token)]


@pytest.mark.parametrize("form", [QWEN3, STEP_AUDIO_R1], ids=lambda form: form.name)
async def test_each_segment_is_written_as_on_a_fresh_prompt(form: ThoughtFormat) -> None:
    async with llama(slots=1, capacity=1024, thoughts=form) as decoder:
        used = decoder.open("Be brief.")
        await used.append(asked(QUESTION))
        thoughts, speech = "", ""
        for _ in range(3):
            for units, tokens in ((formulation(thoughts), 16), (articulation(thoughts, speech), 6)):
                written = await write(used, units, tokens)
                fresh = decoder.open("Be brief.")
                await fresh.append(asked(QUESTION))
                assert await write(fresh, units, tokens) == written
                await fresh.close()
                thoughts += "".join(part.text for part in written if isinstance(part, Thought))
                speech += "".join(part.text for part in written if isinstance(part, Token))
        assert thoughts
        assert speech
        assert "think>" not in thoughts + speech


async def test_a_thought_goes_on_where_it_was_left_at_no_cost() -> None:
    async with llama(slots=2, capacity=1024, thoughts=QWEN3) as decoder:
        context = decoder.open("Be brief.")
        await context.append(asked(QUESTION))
        thought = "".join(part.text for part in await write(context, formulation(""), 24))
        await context.append(formulation(thought))
        parts = [part async for part in context.generate(Sampling(0, 1, 2))]
        finished = parts[-1]
        assert isinstance(finished, Finished)
        assert finished.prompt_tokens - finished.cached_tokens <= 4


async def test_a_call_that_must_be_made_is_not_thought_about() -> None:
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    weather = Tool("get_weather", "The weather in a city.", city)
    async with llama(thoughts=QWEN3) as decoder:
        context = decoder.open("Be brief.", [weather])
        await context.append(asked("What is the weather in Oslo?"))
        parts = [part async for part in context.generate(Sampling(0, 1, 24), weather)]
        assert parts[0] == ToolCall("get_weather", '{"city": "Oslo"}')


async def test_a_server_goes_on_with_an_open_message() -> None:
    async with llama() as decoding:
        decoder = ChatDecoder(f"{decoding.server.url}/v1", decoding.server.api_key, "any", capacity=512, timeout_s=20)
        context = decoder.open("Be brief.")
        await context.append([Open("user"), Text(QUESTION), Close("user")])
        parts = await write(context, articulation("Two and three make five.", "You have got"), 8)
        text = "".join(part.text for part in parts)
        assert all(isinstance(part, Token) for part in parts)
        assert text.startswith(" ")
        assert "You have got" not in text
        await decoder.close()
