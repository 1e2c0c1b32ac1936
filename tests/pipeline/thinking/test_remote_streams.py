"""Two streams through a chat API, both of which continue the same message; thoughts in any of their fields."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from pipeline.decoders.chat.chat_completions import ChatDecoder
from pipeline.events import OutputText, ResponseDone, Thoughts
from pipeline.settings import AgentSettings
from pipeline.thinking.schedule import Mode
from tests.support.aloud import Talk
from tests.support.chat_server import Deltas, ServerOfDeltas

THOUGHTS = "They ask for six times seven. Six times seven makes forty two. So that is what I say."
ANSWER = "If you ask me, it comes to forty two. Anybody can see that, in the end."
OPENS, CLOSES = "<think>\n", "\n</think>\n\n"

Field = Literal["content", "reasoning_content", "reasoning"]


def continuing(field: Field) -> ServerOfDeltas:
    """A server that continues the open message: its thoughts, in `field`, or its words."""

    def deltas(body: dict[str, Any]) -> tuple[Deltas, str]:
        message, most = body["messages"][-1]["content"], body["max_tokens"]
        assert message.startswith(OPENS)
        thoughts, closed, words = message.removeprefix(OPENS).partition(CLOSES.lstrip("\n"))
        if closed:
            return [{"content": word} for word in rest(ANSWER, words)[:most]], "stop"
        left: list[dict[str, str]] = [{field: word} for word in rest(THOUGHTS, thoughts)]
        if len(left) > most:
            return left[:most], "length"
        return [*left, *({"content": piece} for piece in ("\n</thi", "nk>\n", "\nForty"))], "stop"

    return ServerOfDeltas(deltas)


def rest(text: str, begun: str) -> list[str]:
    """The words of `text` that follow those already written."""
    written = len(begun.split())
    return [word if number == 0 else f" {word}" for number, word in enumerate(text.split())][written:]


@asynccontextmanager
async def serving(thoughts: Field) -> AsyncIterator[tuple[ServerOfDeltas, ChatDecoder]]:
    async with continuing(thoughts).running() as server:
        decoder = ChatDecoder(server.url, "", "Qwen3-8B", capacity=2048, timeout_s=10)
        yield server, decoder
        await decoder.close()


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning"])
@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("mode", ["before", "think_first", "speak_first"])
async def test_it_thinks_and_says_its_answer_only(mode: Mode, streams: Literal[1, 2], field: Field) -> None:
    limits = AgentSettings(think_about="everything", think_tokens=6, speak_tokens=5, streams=streams)
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
