"""The chat API from the other side: what servers send for thoughts, and what they are asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pipeline.decoders.decoder import Close, Finished, Open, Sampling, Text, Thought, Token, Unit
from pipeline.decoders.openai import OpenAi

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
    model: str, deltas: Sequence[dict[str, str]], units: Sequence[Unit] = QUESTION
) -> AsyncIterator[tuple[list[Thought | Token], dict[str, Any]]]:
    """What the decoder makes of `deltas`, and what it asked for."""
    server = Server(deltas)
    listener = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        decoder = OpenAi(f"http://127.0.0.1:{port}/v1", "", model, capacity=512, timeout_s=10)
        context = decoder.open("Be brief.")
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
