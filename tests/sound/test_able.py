"""The profile able: a handful of prompts whose words matter, to its real model, which is loaded once."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pipeline.decoders.decoder import (
    Close,
    Finished,
    Open,
    Sampling,
    Text,
    Token,
    Tool,
    ToolCall,
    ToolCallUnit,
    ToolResultUnit,
    Unit,
)
from pipeline.decoders.llama_cpp.llama import LlamaDecoder
from pipeline.decoders.thought_formats import PLAIN, ThoughtFormat
from pipeline.events import ResponseDone, Thoughts
from pipeline.profiles import PROFILES
from pipeline.settings import AgentSettings
from pipeline.weights.store import ModelStore
from tests.support.aloud import Talk

GREEDY = Sampling(temperature=0, top_p=1, max_tokens=60)


def tool(name: str, description: str, **parameters: str) -> Tool:
    properties = {parameter: {"type": kind} for parameter, kind in parameters.items()}
    return Tool(name, description, {"type": "object", "properties": properties, "required": list(parameters)})


TOOLS = [
    tool("get_weather", "The current weather in a city.", city="string"),
    tool("set_timer", "Start a timer.", minutes="integer"),
    tool("get_time", "The current time in a city.", city="string"),
    tool("send_message", "Send a text message to a contact.", to="string", text="string"),
]

CALLS = {
    "What is the weather in Oslo?": ("get_weather", {"city": "oslo"}),
    "Set a timer for ten minutes.": ("set_timer", {"minutes": 10}),
    "What time is it in Tokyo right now?": ("get_time", {"city": "tokyo"}),
}
RESULTS = {
    "What is the weather in Oslo?": ('{"degrees": 9, "sky": "cloudy"}', "9"),
    "Set a timer for ten minutes.": ('{"started": true}', "timer"),
}
"""The result of the call, and what of it is to be said."""
ANSWERS = {
    "What is the capital of France?": "paris",
    "How many legs does a spider have?": "eight",
    "What is 23 plus 42?": "65",
}


@asynccontextmanager
async def able(thoughts: ThoughtFormat | None = None) -> AsyncIterator[LlamaDecoder]:
    profile = PROFILES["able"]
    decoder = await LlamaDecoder.in_process(
        ModelStore().resolve(profile.decoder),
        slots=1,
        capacity=1024,
        threads=profile.threads,
        timeout_s=60,
        thoughts=thoughts,
    )
    try:
        yield decoder
    finally:
        await decoder.close()


async def said(
    decoder: LlamaDecoder, question: str, tools: list[Tool], after: Sequence[Unit] = ()
) -> tuple[str, list[ToolCall], Finished]:
    context = decoder.open(AgentSettings().instructions, tools)
    await context.append([Open("user"), Text(question), Close("user"), *after])
    parts = [part async for part in context.generate(GREEDY)]
    await context.close()
    text = "".join(part.text for part in parts if isinstance(part, Token))
    return text.lower(), [part for part in parts if isinstance(part, ToolCall)], context.so_far


async def test_it_calls_the_right_tool_once_and_none_where_none_is_needed() -> None:
    async with able() as decoder:
        for question, (name, arguments) in CALLS.items():
            text, calls, first = await said(decoder, question, TOOLS)
            assert [call.name for call in calls] == [name], (question, text)
            assert json.loads(calls[0].arguments.lower()) == arguments
            assert "{" not in text, "JSON would be spoken"
            if question in RESULTS:
                result, fact = RESULTS[question]
                call = ToolCallUnit("call_1", name, calls[0].arguments)
                exchange: list[Unit] = [Open("assistant"), call, Close("assistant")]
                exchange += [Open("tool"), ToolResultUnit("call_1", result), Close("tool")]
                text, more, second = await said(decoder, question, TOOLS, exchange)
                assert second.cached_tokens >= first.prompt_tokens, "what was read before the call is read again"
                assert fact in text, (question, text)
                assert more == [], "it would call for ever"
        for question, answer in ANSWERS.items():
            # For a sum it likes to call a function that nobody has described.
            text, calls, _ = await said(decoder, question, TOOLS)
            assert answer in text, (question, text)
            assert calls == []


async def test_it_thinks_in_plain_words_about_what_is_hard_and_says_none_of_them() -> None:
    hard = "I have 11 oranges and buy 4 more. Then I give 10 away. How many oranges do I have now?"
    async with able(PLAIN) as decoder:
        for question, answer, thinks in ((hard, "5", True), ("What is the capital of France?", "Paris", False)):
            async with Talk(decoder, "think_first", AgentSettings(), tokens=60).held() as talk:
                await talk.ask(question)
                assert (await talk.until(ResponseDone)).status == "completed"
            words = " ".join(clause.written for clause in talk.voice.clauses)
            assert answer in words
            assert not re.search("Reasoning|Answer", words)
            assert bool(talk.all(Thoughts)) is thinks
