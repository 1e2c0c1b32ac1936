"""The chat API from the other side: what servers send for thoughts, and what they are asked."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from pipeline.decoders.chat import chat_completions
from pipeline.decoders.chat.chat_completions import ChatDecoder
from pipeline.decoders.decoder import (
    Close,
    Finished,
    Open,
    Sampling,
    Text,
    Thought,
    Token,
    Tool,
    ToolCall,
    ToolCallUnit,
    ToolResultUnit,
    Unit,
)
from pipeline.decoders.thought_formats import QWEN3
from pipeline.thinking.prompts import articulation, formulation
from tests.support.chat_server import ServerOfBytes, ServerOfDeltas

QWEN3_TEMPLATE = Path(chat_completions.__file__).with_name("qwen3.jinja").read_text(encoding="utf-8")
QUESTION: list[Unit] = [Open("user"), Text("What is two plus three?"), Close("user")]


@asynccontextmanager
async def asked(
    model: str, deltas: Sequence[dict[str, str]], units: Sequence[Unit] = QUESTION, tools: Sequence[Tool] = ()
) -> AsyncIterator[tuple[list[Thought | Token], dict[str, Any]]]:
    """What the decoder makes of `deltas`, and what it asked for."""
    async with ServerOfDeltas(lambda _: (deltas, "stop")).running() as server:
        decoder = ChatDecoder(server.url, "", model, capacity=512, timeout_s=10)
        context = decoder.open("Be brief.", tools)
        await context.append(units)
        parts = [part async for part in context.generate(Sampling(0, 1, 24))]
        await decoder.close()
        assert isinstance(parts.pop(), Finished)
        yield [part for part in parts if isinstance(part, Thought | Token)], server.asked[-1]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("model", ["any", "step-audio-r1"])
async def test_thoughts_in_a_field_of_their_own_are_thoughts(field: str, model: str) -> None:
    deltas = [{"role": "assistant", "content": ""}, {field: "Two and"}, {field: " three."}, {"content": "Five."}]
    async with asked(model, deltas) as (parts, _):
        assert parts == [Thought("Two and"), Thought(" three."), Token("Five.")]


async def test_a_server_that_sends_both_names_is_not_heard_twice() -> None:
    async with asked("any", [{"reasoning": "Hm.", "reasoning_content": "Hm."}, {"content": "Five."}]) as (parts, _):
        assert parts == [Thought("Hm."), Token("Five.")]


async def test_thoughts_in_tags_are_thoughts() -> None:
    async with asked("any", [{"content": "<thi"}, {"content": "nk>Hm.</think>\n\nFive"}, {"content": "."}]) as (
        parts,
        _,
    ):
        assert parts == [Thought("Hm."), Token("Five"), Token(".")]


async def test_a_model_whose_prompt_opens_the_thought_is_thinking_from_the_start() -> None:
    async with asked("step-audio-r1", [{"content": "Hm."}, {"content": "\n</think>\n\nFive."}]) as (parts, _):
        assert parts == [Thought("Hm."), Token("Five.")]


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "word "},
        {"reasoning": "Hm. "},
        {"content": " " * 1_000},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{" * 100}}]},
    ],
    ids=["words", "thoughts", "spaces", "a call"],
)
async def test_a_server_that_ignores_max_tokens_is_stopped(delta: dict[str, Any]) -> None:
    event = f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]})}\n\n".encode()
    async with ServerOfBytes([], endless=event).running() as server:
        decoder = ChatDecoder(server.url, "", "any", capacity=512, timeout_s=10)
        context = decoder.open("Be brief.", ())
        await context.append(QUESTION)
        *parts, end = [part async for part in context.generate(Sampling(0, 1, 24))]
        assert isinstance(end, Finished)
        assert end.reason == "length"
        assert len(parts) < 300
        await server.hung_up()
        await decoder.close()


@pytest.mark.parametrize(
    ("pieces", "said", "called"),
    [
        (['{"name": "clo', 'ck", "arguments": {}}'], "", ["clock"]),
        (["Let me see. <tool_call>", '{"name": "clock", "arguments": {}}</tool_call>'], "Let me see. ", ["clock"]),
        (["clock()"], "", ["clock"]),
        (['{"name": "other", "arguments": {}}'], '{"name": "other", "arguments": {}}', []),
        (["It is {noon}."], "It is {noon}.", []),
    ],
)
async def test_a_text_that_is_a_call_of_a_known_tool_is_one(pieces: list[str], said: str, called: list[str]) -> None:
    clock = Tool("clock", "The time.", {"type": "object", "properties": {}})
    async with ServerOfDeltas(lambda _: ([{"content": piece} for piece in pieces], "stop")).running() as server:
        decoder = ChatDecoder(server.url, "", "any", capacity=512, timeout_s=10)
        context = decoder.open("Be brief.", [clock])
        await context.append(QUESTION)
        parts = [part async for part in context.generate(Sampling(0, 1, 24))]
        await decoder.close()
        assert "".join(part.text for part in parts if isinstance(part, Token)) == said
        assert [part.name for part in parts if isinstance(part, ToolCall)] == called
        assert isinstance(parts[-1], Finished)


async def test_an_open_message_is_gone_on_with() -> None:
    units = [*QUESTION, Open("assistant"), Thought("Hm."), Text("It is")]
    async with asked("step-audio-r1", [{"content": " five."}], units) as (parts, request):
        assert parts == [Token(" five.")]
        assert request["messages"][-1] == {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nIt is"}
        assert request["continue_final_message"]
        assert not request["add_generation_prompt"]


def rendered(request: dict[str, Any]) -> str:
    """The prompt that vLLM makes of `request` with the chat template for Qwen3."""
    prompts = render_jinja_template(
        [request["messages"]],
        tools=request.get("tools"),
        chat_template=QWEN3_TEMPLATE,
        continue_final_message=request.get("continue_final_message", False),
        add_generation_prompt=request.get("add_generation_prompt", True),
    )
    return prompts[0][0]


@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "Qwen/Qwen3-4B-Thinking-2507"])
@pytest.mark.parametrize(
    ("open_message", "begun"),
    [
        (formulation(""), "<think>\n"),
        (formulation("Hm"), "<think>\nHm"),
        (formulation("Two and three.\n\n"), "<think>\nTwo and three.\n\n"),
        (articulation("", ""), "<think>\n\n</think>\n\n"),
        (articulation("", "It is "), "<think>\n\n</think>\n\nIt is "),
        (articulation("Five. So", ""), "<think>\nFive.\n</think>\n\n"),
        (articulation("Five. So", "It is"), "<think>\nFive.\n</think>\n\nIt is"),
    ],
)
async def test_with_its_template_vllm_reads_what_a_decoder_in_this_process_would(
    model: str, open_message: list[Unit], begun: str
) -> None:
    conversation = [*QUESTION, Open("assistant"), Text("Five."), Close("assistant"), *QUESTION]
    async with asked(model, [{"content": "."}], conversation) as (_, request):
        prompt = rendered(request)
    async with asked(model, [{"content": "."}], [*conversation, *open_message]) as (_, request):
        assert rendered(request) == prompt + begun
    assert begun == "".join(text for text, _ in QWEN3.continuation("", open_message[1:]))
    question = "<|im_start|>user\nWhat is two plus three?<|im_end|>\n"
    assert prompt == (
        f"<|im_start|>system\nBe brief.<|im_end|>\n{question}<|im_start|>assistant\nFive.<|im_end|>\n{question}"
        "<|im_start|>assistant\n"
    )


async def test_calls_and_their_results_stand_in_that_template_as_qwen3_was_taught_them() -> None:
    clock = Tool("clock", "The time.", {"type": "object", "properties": {}})
    units: list[Unit] = [
        *(Open("user"), Text("How late is it?"), Close("user")),
        *(Open("assistant"), ToolCallUnit("1", "clock", "{}"), ToolCallUnit("2", "clock", "{}"), Close("assistant")),
        *(Open("tool"), ToolResultUnit("1", "Noon."), Close("tool")),
        *(Open("tool"), ToolResultUnit("2", "Five."), Close("tool")),
        *formulation("Hm"),
    ]
    async with asked("Qwen/Qwen3-8B", [{"content": "."}], units, [clock]) as (_, request):
        system, _, rest = rendered(request).partition("<|im_end|>\n")
    assert system.startswith("<|im_start|>system\nBe brief.\n\n# Tools\n\nYou may call one or more functions")
    assert '<tools>\n{"type": "function", "function": {"name": "clock", ' in system
    assert rest == (
        "<|im_start|>user\nHow late is it?<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>\n'
        '<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nNoon.\n</tool_response>\n<tool_response>\nFive.\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n<think>\nHm"
    )
