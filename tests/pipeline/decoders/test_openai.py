"""The chat API from the other side: what servers send for thoughts, and what they are asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from pipeline.articulation import articulation, formulation
from pipeline.decoders import openai
from pipeline.decoders.decoder import (
    Called,
    Close,
    Finished,
    Open,
    Returned,
    Sampling,
    Text,
    Thought,
    Token,
    Tool,
    Unit,
)
from pipeline.decoders.openai import OpenAi
from pipeline.decoders.thoughts import QWEN3

QWEN3_TEMPLATE = Path(openai.__file__).with_name("qwen3.jinja").read_text(encoding="utf-8")
QUESTION: list[Unit] = [Open("user"), Text("What is two plus three?"), Close("user")]


class Server:
    """Answers every request with the same chunks."""

    def __init__(self, deltas: Sequence[dict[str, str]]) -> None:
        self._deltas = deltas
        self.asked: dict[str, Any] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length"))
        self.asked = json.loads(await reader.readexactly(length))
        chunks = [
            {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
            | {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]}
            for delta in (*self._deltas, {})
        ]
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        writer.write("".join(lines).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def asked(
    model: str, deltas: Sequence[dict[str, str]], units: Sequence[Unit] = QUESTION, tools: Sequence[Tool] = ()
) -> AsyncIterator[tuple[list[Thought | Token], dict[str, Any]]]:
    """What the decoder makes of `deltas`, and what it asked for."""
    server = Server(deltas)
    listener = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        decoder = OpenAi(f"http://127.0.0.1:{port}/v1", "", model, capacity=512, timeout_s=10)
        context = decoder.open("Be brief.", tools)
        await context.append(units)
        parts = [part async for part in context.generate(Sampling(0, 1, 24))]
        await decoder.close()
        assert isinstance(parts.pop(), Finished)
        yield [part for part in parts if isinstance(part, Thought | Token)], server.asked


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
    assert begun == "".join(text for text, _ in QWEN3.goes_on("", open_message[1:]))
    question = "<|im_start|>user\nWhat is two plus three?<|im_end|>\n"
    assert prompt == (
        f"<|im_start|>system\nBe brief.<|im_end|>\n{question}<|im_start|>assistant\nFive.<|im_end|>\n{question}"
        "<|im_start|>assistant\n"
    )


async def test_calls_and_their_results_stand_in_that_template_as_qwen3_was_taught_them() -> None:
    clock = Tool("clock", "The time.", {"type": "object", "properties": {}})
    units: list[Unit] = [
        *(Open("user"), Text("How late is it?"), Close("user")),
        *(Open("assistant"), Called("1", "clock", "{}"), Close("assistant")),
        *(Open("tool"), Returned("1", "Noon."), Close("tool")),
        *(Open("tool"), Returned("2", "Five."), Close("tool")),
        *formulation("Hm"),
    ]
    async with asked("Qwen/Qwen3-8B", [{"content": "."}], units, [clock]) as (_, request):
        system, _, rest = rendered(request).partition("<|im_end|>\n")
    assert system.startswith("<|im_start|>system\nBe brief.\n\n# Tools\n\nYou may call one or more functions")
    assert '<tools>\n{"type": "function", "function": {"name": "clock", ' in system
    assert rest == (
        "<|im_start|>user\nHow late is it?<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nNoon.\n</tool_response>\n<tool_response>\nFive.\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n<think>\nHm"
    )
