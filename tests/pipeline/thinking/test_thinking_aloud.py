"""Thoughts that are heard while their answer is not there."""

import asyncio
import re
from dataclasses import replace

import pytest

from pipeline.settings import StopgapSettings
from pipeline.thinking.schedule import Mode
from pipeline.thinking.thinking_aloud import ThinkingAloud
from tests.support.talk import SETTINGS, answered, said, talk
from tests.support.thinker import ANSWER, THOUGHTS, Thinker
from tts.synthesizer import Clause

HARD = "I have two pens and buy three. How many do I have?"
ANNOUNCED = StopgapSettings().thoughtful


def tokens(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+", text)


def heard(thoughts: str) -> list[str]:
    """All that is said of thoughts that are listened to after every token."""
    aloud, clauses = ThinkingAloud(lambda text: None, fit=True), list[Clause]()
    for token in tokens(thoughts):
        aloud.think(token)
        clauses += aloud.take()
    return [clause.written for clause in [*clauses, *aloud.end(in_silence=True)]]


def taken(thoughts: str) -> ThinkingAloud:
    """Of thoughts that are listened to once."""
    aloud = ThinkingAloud(lambda text: None, fit=True)
    for token in tokens(thoughts):
        aloud.think(token)
    aloud.take()
    return aloud


@pytest.mark.parametrize(
    ("thoughts", "said"),
    [
        ("7 + 13 = 20. 20 - 5 = 15.", ["7 + 13", "= 20.", "20 - 5", "= 15."]),
        ("He buys some boxes with many pens in each.", ["He buys some boxes", "with many pens", "in each."]),
        ("A book costs $2.50. Two cost $5.00.", ["A book costs $2.50.", "Two cost $5.00."]),
        ("1. All singers bake.\n2. No bakers are pilots.\n", ["All singers bake.", "No bakers are pilots."]),
        ("- Peter is not taller\n- Laura is the tallest\n", ["Peter is not taller", "Laura is the tallest"]),
        ("Now add all of them. {7 + 13} makes 20. Good.", ["Now add all of them."]),
        ("Then x < y and so it is. That is all of it.", []),
        ("\n\n", []),
    ],
)
def test_thoughts_are_said_clause_by_clause_as_they_are_written(thoughts: str, said: list[str]) -> None:
    assert heard(thoughts) == said


@pytest.mark.parametrize(
    ("thoughts", "more", "rest"),
    [
        ("There are three boxes with", " ten pens. Thirty pens in all.", ["with ten pens."]),
        ("There are three boxes with", " ten pens", ["with ten pens"]),
        ("He adds many boxes and", " 2 + 2 + 2 + 2 + 2 + 2 + 2 + 2.", ["and 2 + 2 + 2 + 2 + 2 + 2 + 2 + 2."]),
        ("There are three boxes. ", "Thirty pens in all. ", []),
        ("There are three boxes with", " very" * 20 + " old pens.", []),
    ],
)
def test_a_sentence_that_was_begun_is_ended_before_the_answer_unless_it_is_long(
    thoughts: str, more: str, rest: list[str]
) -> None:
    aloud = taken(thoughts)
    for token in tokens(more):
        aloud.think(token)
    assert [clause.written for clause in aloud.end(in_silence=False)] == rest
    aloud.think("And so on, and on. ")
    assert aloud.take() == aloud.end(in_silence=True) == []


def test_a_whole_sentence_is_said_at_once() -> None:
    aloud = ThinkingAloud(lambda text: None, fit=True)
    for token in tokens("Peter, as we know, is taller than Laura. Laura is taller than Mary."):
        aloud.think(token)
    assert " ".join(clause.written for clause in aloud.take()) == "Peter, as we know, is taller than Laura."


def test_thoughts_that_are_not_fit_are_reported_only() -> None:
    reported = list[str]()
    aloud = ThinkingAloud(reported.append, fit=False)
    aloud.think("One and two and three. ")
    assert aloud.take() == aloud.end(in_silence=True) == []
    assert reported == ["One and two and three. "]


@pytest.mark.parametrize("mode", ["before", "think_first"])
async def test_an_answer_is_filled_with_thoughts_until_it_is_there(mode: Mode) -> None:
    decoder = Thinker()
    decoder.thinks_aloud, decoder.hold = True, asyncio.Event()
    async with talk([HARD], session=replace(SETTINGS, thinking=mode), decoder=decoder) as conversation:
        await conversation.ask()
        await conversation.settled()
        words = [ANNOUNCED, "They ask for six times seven.", "Six times seven is forty two."]
        for number in range(len(words)):
            await conversation.be_silent(0.4)
            await conversation.settled()
            assert said(conversation) == " ".join(words[: number + 1])
            for _ in range(20):
                await conversation.be_silent(0.1)
                await conversation.settled()
                if said(conversation) != " ".join(words[: number + 1]):
                    break
        decoder.hold.set()
        done = await answered(conversation)
        assert done.status == "completed"
        assert said(conversation) == f"{ANNOUNCED} {THOUGHTS} {StopgapSettings().concluding} {ANSWER}"
        assert set(decoder.log) == {"t", "s"}


async def test_thoughts_in_tags_of_their_own_are_not_heard() -> None:
    decoder = Thinker()
    decoder.hold = asyncio.Event()
    async with talk([HARD], session=replace(SETTINGS, thinking="before"), decoder=decoder) as conversation:
        await conversation.ask()
        await conversation.settled()
        for _ in range(50):
            await conversation.be_silent(0.1)
            await conversation.settled()
        decoder.hold.set()
        await answered(conversation)
        assert said(conversation) == f"{ANNOUNCED} {ANSWER}"
