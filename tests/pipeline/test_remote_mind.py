"""A mind behind a chat API: two streams that go on with the same message, and thoughts by whichever field they come."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from pipeline.decoders.openai import OpenAi
from pipeline.events import OutputText, ResponseDone, Thoughts
from pipeline.settings import AgentSettings
from pipeline.thinking import Mode
from tests.pipeline.aloud import Talk

THOUGHTS = "They ask for six times seven. Six times seven makes forty two. So that is what I say."
ANSWER = "If you ask me, it comes to forty two. Anybody can see that, in the end."
OPENS, CLOSES = "<think>\n", "\n</think>\n\n"

Field = Literal["content", "reasoning_content", "reasoning"]


class Server:
    """Goes on with the open message: with its thoughts, in the field `thoughts`, or with its words."""

    def __init__(self, thoughts: Field) -> None:
        self.asked: list[dict[str, Any]] = []
        self._field = thoughts

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length"))
        body = json.loads(await reader.readexactly(length))
        self.asked.append(body)
        deltas, reason = self._goes_on(body["messages"][-1]["content"], body["max_tokens"])
        chunks = [
            {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
            | {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else reason}]}
            for delta in (*deltas, {})
        ]
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        writer.write("".join(lines).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def _goes_on(self, message: str, most: int) -> tuple[list[dict[str, str]], str]:
        assert message.startswith(OPENS)
        thoughts, closed, words = message.removeprefix(OPENS).partition(CLOSES.lstrip("\n"))
        if closed:
            return [{"content": word} for word in rest(ANSWER, words)[:most]], "stop"
        left: list[dict[str, str]] = [{self._field: word} for word in rest(THOUGHTS, thoughts)]
        if len(left) > most:
            return left[:most], "length"
        return [*left, *({"content": piece} for piece in ("\n</thi", "nk>\n", "\nForty"))], "stop"


def rest(text: str, begun: str) -> list[str]:
    """The words of `text` behind those that are written already."""
    written = len(begun.split())
    return [word if number == 0 else f" {word}" for number, word in enumerate(text.split())][written:]


@asynccontextmanager
async def serving(thoughts: Field) -> AsyncIterator[tuple[Server, OpenAi]]:
    server = Server(thoughts)
    listener = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        decoder = OpenAi(f"http://127.0.0.1:{port}/v1", "", "Qwen3-8B", capacity=2048, timeout_s=10)
        yield server, decoder
        await decoder.close()


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning"])
@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("mode", ["before", "think_first", "speak_first"])
async def test_it_thinks_and_says_its_answer_only(mode: Mode, streams: Literal[1, 2], field: Field) -> None:
    limits = AgentSettings(think_tokens=6, speak_tokens=5, streams=streams)
    async with serving(field) as (server, decoder), Talk(decoder, mode, limits, tokens=40).held() as talk:
        await talk.ask("What is six times seven?")
        done = await talk.until(ResponseDone)
        assert done.status == "completed"
        assert " ".join(clause.written for clause in talk.voice.clauses) == ANSWER
        assert "".join(event.delta for event in talk.all(OutputText)) == ANSWER
        thought = "".join(event.delta for event in talk.all(Thoughts))
        assert THOUGHTS.startswith(thought.strip())
        assert mode == "speak_first" or thought
        assert all(body["continue_final_message"] and not body["add_generation_prompt"] for body in server.asked)
        assert {body["messages"][-1]["role"] for body in server.asked} == {"assistant"}


async def test_a_model_that_is_not_to_think_is_given_its_thoughts_closed() -> None:
    async with serving("reasoning_content") as (server, decoder):
        async with Talk(decoder, "off", AgentSettings(), tokens=40).held() as talk:
            await talk.ask("What is six times seven?")
            assert (await talk.until(ResponseDone)).status == "completed"
            assert "".join(event.delta for event in talk.all(OutputText)) == ANSWER
            assert not talk.all(Thoughts)
        (body,) = server.asked
        assert body["messages"][-1] == {"role": "assistant", "content": "<think>\n\n</think>\n\n"}
        assert body["continue_final_message"]
