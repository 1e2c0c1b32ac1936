"""Servers that have an opinion about the end of a turn, and servers that have none."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pipeline.decoders.chat.chat_completions import ChatDecoder
from pipeline.decoders.decoder import Open, Text, Tool
from tests.support.chat_server import ChatServer, send_json


class OpinionatedServer(ChatServer):
    """Answers with the next of `answers`, the last again and again: a status and a body; None: never."""

    def __init__(self, *answers: tuple[str, dict[str, Any] | str] | None) -> None:
        super().__init__()
        self._answers = list(answers)

    async def answer(self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            await reader.read()
            self.gone.set()
        else:
            await send_json(writer, *answer)
        return False


def opinion(probabilities: dict[str, float], role: str = "user") -> tuple[str, dict[str, Any]]:
    """One token in this role, with the probabilities of the candidates."""
    candidates = [
        {"token": token, "logprob": math.log(probability), "bytes": None}
        for token, probability in probabilities.items()
    ]
    content = [{"token": "x", "logprob": 0.0, "bytes": None, "top_logprobs": candidates}]
    choice = {
        "index": 0,
        "finish_reason": "length",
        "message": {"role": role, "content": "x"},
        "logprobs": {"content": content} if probabilities else None,
    }
    return "200 OK", {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


REFUSAL = {"error": {"message": "Unrecognized request argument supplied: continue_final_message"}}
SURE = opinion({"?": 0.5, ".": 0.25, "<|im_end|>": 0.125, " of": 0.1, "...": 0.02})


@asynccontextmanager
async def asked(
    *answers: tuple[str, dict[str, Any] | str] | None, tools: Sequence[Tool] = (), times: int = 2
) -> AsyncIterator[tuple[list[float | None], OpinionatedServer]]:
    """What comes of asking so often, in one conversation after the other."""
    async with OpinionatedServer(*answers).running() as server:
        decoder = ChatDecoder(server.url, "", "m", capacity=512, timeout_s=10)
        opinions = []
        for _ in range(times):
            context = decoder.open("Be brief.", tools)
            await context.append([Open("user"), Text("What is the capital of France")])
            opinions.append(await context.end_of_turn_probability())
            await context.close()
        await decoder.close()
        yield opinions, server


async def test_marks_and_the_end_of_the_message_end_the_turn() -> None:
    weather = Tool("weather", "Says it.", {"type": "object", "properties": {}})
    async with asked(SURE, tools=[weather], times=1) as (opinions, server):
        assert opinions == [pytest.approx(0.875)]
        [body] = server.asked
        assert body["messages"][-1] == {"role": "user", "content": "What is the capital of France"}
        assert (body["continue_final_message"], body["add_generation_prompt"], body["max_tokens"]) == (True, False, 1)
        # As with the answer, or its prompt would begin otherwise and be read again.
        assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]


@pytest.mark.parametrize("answer", [("400 Bad Request", REFUSAL), opinion({".": 0.9}, "assistant"), opinion({})])
async def test_a_server_without_opinions_is_asked_once(answer: tuple[str, dict[str, Any]]) -> None:
    async with asked(answer) as (opinions, server):
        assert opinions == [None, None]
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"role": "user"}, "logprobs": {"content": [{}]}}]},
        {"choices": [{"message": {"role": "user"}, "logprobs": {"content": [{"top_logprobs": [{"token": "."}]}]}}]},
        "data: [DONE]",
    ],
)
async def test_what_is_no_completion_is_no_opinion(answer: dict[str, Any] | str) -> None:
    async with asked(("200 OK", answer)) as (opinions, server):
        assert opinions == [None, None]
        assert len(server.asked) == 1


@pytest.mark.parametrize("trouble", [("503 Service Unavailable", REFUSAL), None])
async def test_one_that_fails_or_is_late_is_asked_again(trouble: tuple[str, dict[str, Any]] | None) -> None:
    async with asked(trouble, SURE) as (opinions, server):
        assert opinions == [None, pytest.approx(0.875)]
        if trouble is None:
            await server.hung_up()
