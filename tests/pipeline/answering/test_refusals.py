"""What callers hear and clients read when the model's server refuses for good, and how the session recovers."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pipeline.decoders.chat.chat_completions import ChatDecoder
from pipeline.decoders.decoder import DoesNotFit, Refusal
from pipeline.decoders.refusals import refusal_of
from pipeline.events import OutputText, ResponseDone
from pipeline.settings import AgentSettings
from tests.support.aloud import Talk
from tests.support.chat_server import ServerOfDeltas
from tests.support.talk import answered, talk

AGENT = AgentSettings(apology="Say that again.", refusal="It is my fault.")
SECRET = "org-1234 has no such thing"


@asynccontextmanager
async def asking(capacity: int = 4096) -> AsyncIterator[tuple[ServerOfDeltas, Talk]]:
    """A conversation whose model answers every question with "Yes." until its server refuses."""
    async with ServerOfDeltas(lambda body: ([{"content": "Yes."}], "stop")).running() as server:
        decoder = ChatDecoder(server.url, "", "any", capacity=capacity, timeout_s=20)
        async with Talk(decoder, "off", AGENT).held() as conversation:
            yield server, conversation
        await decoder.close()


async def said(conversation: Talk) -> tuple[ResponseDone, str]:
    done = len(conversation.all(ResponseDone))
    before = len(conversation.all(OutputText))
    await conversation.ask("Is it?")
    answer: ResponseDone = await conversation.until(ResponseDone, done + 1)
    return answer, "".join(event.delta for event in conversation.all(OutputText)[before:])


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        ("404 Not Found", {"message": SECRET, "code": "model_not_found"}, Refusal.MODEL),
        ("404 Not Found", {"message": f"The model `x` does not exist. {SECRET}", "code": 404}, Refusal.MODEL),
        ("401 Unauthorized", {"message": SECRET, "code": "invalid_api_key"}, Refusal.ACCESS),
        ("400 Bad Request", {"message": SECRET, "code": 400}, Refusal.REQUEST),
    ],
)
async def test_a_lasting_refusal_is_said_once_told_as_one_and_got_over(
    status: str, error: dict[str, Any], reason: Refusal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with asking() as (server, conversation):
        server.refuses = lambda body: (status, error)
        done, words = await said(conversation)
        assert (done.status, done.code, done.error) == ("failed", reason.code, reason.sentence)
        assert words == "It is my fault."
        assert SECRET in caplog.text
        assert len(server.asked) == 1
        done, words = await said(conversation)
        assert (done.status, done.code, words) == ("failed", reason.code, "")
        server.refuses = lambda body: None
        assert (await said(conversation))[1] == "Yes."
        server.refuses = lambda body: (status, error)
        assert (await said(conversation))[1] == "It is my fault."


async def test_what_may_pass_is_apologized_for_each_time() -> None:
    async with asking() as (server, conversation):
        server.refuses = lambda body: ("503 Service Unavailable", {"message": SECRET})
        for _ in range(2):
            done, words = await said(conversation)
            assert (done.status, done.code, words) == ("failed", None, "Say that again.")
            assert SECRET not in (done.error or "")


async def test_a_prompt_that_the_server_finds_too_long_is_shortened_and_answered() -> None:
    def refuses(body: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        if len(body["messages"]) <= 6:
            return None
        message = "This model's maximum context length is 64 tokens. However, you requested more."
        return "400 Bad Request", {"message": message, "code": 400}

    async with asking() as (server, conversation):
        server.refuses = refuses
        for _ in range(8):
            done, words = await said(conversation)
            assert (done.status, words) == ("completed", "Yes.")
        assert max(len(body["messages"]) for body in server.asked) > 6


async def test_what_can_never_fit_is_no_reason_to_ask_again() -> None:
    async with talk(["One.", "Two."], [DoesNotFit("too long for 256 tokens"), "Yes."]) as conversation:
        await conversation.ask()
        done = await answered(conversation)
        assert (done.code, done.error) == ("context_length_exceeded", "too long for 256 tokens")
        [message] = done.outputs
        assert getattr(message, "text", None) == AgentSettings().refusal


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (400, "This model's maximum context length is 4096 tokens", Refusal.CONTEXT),
        (400, "context_length_exceeded", Refusal.CONTEXT),
        (400, "the request exceeds the available context size, try increasing it", Refusal.CONTEXT),
        (413, "", Refusal.CONTEXT),
        (403, "", Refusal.ACCESS),
        (422, "invalid messages", Refusal.REQUEST),
        (408, "", None),
        (429, "slow down", None),
        (500, "boom", None),
        (0, "it sent something", None),
    ],
)
def test_refusals_are_known_by_status_and_text(status: int, text: str, reason: Refusal | None) -> None:
    assert refusal_of(status, text) is reason
