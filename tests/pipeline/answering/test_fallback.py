"""What a listener gets to hear when the decoder fails."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from pipeline.answering.fallback import Apologetic
from pipeline.commands import Modality
from pipeline.conversation.items import Message
from pipeline.decoders.decoder import DecoderError, Finished, Generated, Thought, Token, ToolCall
from pipeline.events import OutputAudio, ResponseDone
from pipeline.settings import AgentSettings, PipelineSettings
from tests.support.talk import SETTINGS, talk
from tts.frontend.clauses import ClauseSplitter

SORRY = "Sorry, say that again."
DONE = Finished("stop", 1, 0, 1)


async def written(*parts: Generated | Exception) -> AsyncGenerator[Generated]:
    for part in parts:
        if isinstance(part, Exception):
            raise part
        yield part


async def spoken(answer: Apologetic) -> str:
    splitter = ClauseSplitter()
    found = []
    async for part in answer.parts():
        found += splitter.push(part.text) if isinstance(part, Token) else []
    return " ".join(word.written for clause in found + splitter.flush() for word in clause.words)


async def test_an_answer_that_is_whole_stays_as_it_is() -> None:
    answer = Apologetic(written(Thought("Hm."), Token("Yes."), DONE), lambda error: SORRY)
    assert [part async for part in answer.parts()] == [Thought("Hm."), Token("Yes."), DONE]
    assert answer.error is None


@pytest.mark.parametrize(
    ("before", "heard"),
    [
        ([], SORRY),
        ([Thought("Hm.")], SORRY),
        ([Token("It rains.")], f"It rains. {SORRY}"),
        ([Token("It rains."), Token(" ")], f"It rains. {SORRY}"),
        ([Token("It rains"), Token(" in")], f"It rains in... {SORRY}"),
    ],
)
async def test_a_failure_is_followed_by_an_apology(before: list[Generated], heard: str) -> None:
    error = DecoderError("the server is gone")
    answer = Apologetic(written(*before, error), lambda error: SORRY)
    assert await spoken(answer) == heard
    assert answer.error is error


async def test_other_errors_are_no_matter_for_an_apology() -> None:
    with pytest.raises(ZeroDivisionError):
        await spoken(Apologetic(written(ZeroDivisionError()), lambda error: SORRY))


async def test_closing_it_closes_what_it_reads() -> None:
    closed = []

    async def endless() -> AsyncGenerator[Generated]:
        try:
            while True:
                yield Token("On")
        finally:
            closed.append(True)

    parts = Apologetic(endless(), lambda error: SORRY).parts()
    await anext(parts)
    await parts.aclose()
    assert closed


async def test_a_failure_is_spoken_told_and_got_over() -> None:
    answers: list[str | ToolCall | Exception] = [DecoderError("the server is gone"), "Better."]
    async with talk(["One.", "Two."], answers, settings=settings(SORRY)) as conversation:
        await conversation.ask()
        done = await conversation.until(ResponseDone)
        assert (done.status, done.error) == ("failed", "the server is gone")
        [message] = done.outputs
        assert isinstance(message, Message)
        assert (message.text, message.status) == (SORRY, "incomplete")
        assert sum(len(event.pcm) for event in conversation.all(OutputAudio)) > 0
        await conversation.be_silent(3)
        await conversation.ask()
        assert (await conversation.until(ResponseDone)).status == "completed"
        assert conversation.prompt(1) == ["One.", SORRY, "Two."]


@pytest.mark.parametrize(("apology", "modality"), [("", "audio"), (SORRY, "text")])
async def test_who_wants_none_or_reads_gets_the_error_only(apology: str, modality: Modality) -> None:
    session = replace(SETTINGS, modality=modality)
    failing = [DecoderError("the server is gone")]
    async with talk(["One."], failing, session=session, settings=settings(apology)) as conversation:
        await conversation.ask()
        done = await conversation.until(ResponseDone)
        assert (done.status, done.error, done.outputs) == ("failed", "the server is gone", ())


def settings(apology: str) -> PipelineSettings:
    return PipelineSettings(agent=AgentSettings(apology=apology))
