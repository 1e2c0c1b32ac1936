"""Loops are noticed while they are written, and ordinary repetition is not."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.answering.loops import LoopWatch, until_loop
from pipeline.decoders.decoder import Finished, Generated, Token


def _read_until_loop(text: str, step: int) -> int | None:
    """Characters read when the loop is noticed, in pieces of `step`; None where there is none."""
    watch = LoopWatch()
    for start in range(0, len(text), step):
        if watch.push(text[start : start + step]):
            return start + step
    return None


@pytest.mark.parametrize("step", [1, 4, 7])
@pytest.mark.parametrize(
    "passage",
    [
        "what's an old man's answer to ",
        "I am happy to help you with that. ",
        '"He said, ',
        "yes ",
        "我很高兴帮助你",
    ],
)
def test_a_loop_is_noticed_before_its_sixth_round_or_thirteenth_word(passage: str, step: int) -> None:
    opening = "That is a good question. "
    rounds = max(6, 14 // len(passage.split()))
    assert _read_until_loop(opening + passage * rounds + "and", step) is not None
    assert _read_until_loop(opening + passage * 2, step) is None


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no, that was far, far away, and very, very long ago.",
        " ".join(f"Room {number} is on floor {number // 10} of the house." for number in range(10, 60)),
        "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.",
        "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen",
        "The phone number is 0 0 0 0 0 0 0 0 7.",
    ],
)
def test_rhetoric_counting_and_refrains_are_no_loops(text: str) -> None:
    assert _read_until_loop(text, 3) is None


LAST = Finished("length", 9, 8, 7)
"""What the decoder itself ends with."""


async def _through(text: str, step: int = 4, asked: str = "") -> tuple[str, Finished]:
    """What is passed on of `text`, written in pieces of `step`, and the end, with the number of pieces written."""
    pieces = [text[start : start + step] for start in range(0, len(text), step)]
    count, closed = 0, False

    async def written() -> AsyncGenerator[Generated]:
        nonlocal count, closed
        try:
            for count, piece in enumerate(pieces, 1):  # noqa: B007
                yield Token(piece)
            yield LAST
        finally:
            closed = True

    def so_far() -> Finished:
        assert closed
        return Finished("stop", 9, 8, count)

    *tokens, finished = [part async for part in until_loop(written(), so_far, asked)]
    assert isinstance(finished, Finished)
    return "".join(part.text for part in tokens if isinstance(part, Token)), finished


@pytest.mark.parametrize("step", [1, 4, 9])
async def test_a_looping_answer_ends_after_a_sentence_with_the_tokens_that_were_written(step: int) -> None:
    opening, round_ = "Paris is in France.", " I am happy to help you with that."
    said, finished = await _through(opening + round_ * 20, step)
    assert said == opening + round_ * 2
    assert finished.reason == "stop"
    assert len(opening + round_ * 2) < finished.completion_tokens * step < len(opening + round_ * 4)
    assert (finished.prompt_tokens, finished.cached_tokens) == (9, 8)


async def test_a_loop_without_sentences_ends_within_its_second_round() -> None:
    round_ = "what's an old man's answer to "
    said, finished = await _through(round_ * 20)
    assert (round_ * 2).startswith(said)
    assert finished.reason == "stop"


@given(words=st.lists(st.sampled_from(["a", "b", "c", "A,", "B.", "d?", "\n"]), max_size=60), step=st.integers(1, 5))
def test_what_is_passed_on_is_the_beginning_of_what_is_written(words: list[str], step: int) -> None:
    """And all of it, with the decoder's own end, unless there is a loop."""
    text = " ".join(words)
    said, finished = asyncio.run(_through(text, step))
    assert text.startswith(said)
    if finished == LAST:
        assert said == text
    else:
        assert _read_until_loop(text, step) is not None


async def test_every_word_of_an_answer_without_a_loop_is_passed_on() -> None:
    text = "You said that it was red and blue. And you said that it was red and blue and green, twice."
    assert await _through(text) == (text, LAST)


@pytest.mark.parametrize(
    ("asked", "round_"),
    [
        ("Say hello twenty times.", "Hello, "),
        ("Please write I will not talk in class twelve times", "I will not talk in class. "),
        ("Repeat the word tea until I stop you.", "tea "),
        ("Sing row, row, row your boat over and over!", "Row, row, row your boat, "),
    ],
)
async def test_repetition_that_was_asked_for_is_given(asked: str, round_: str) -> None:
    said, finished = await _through("Sure. " + round_ * 20, asked=asked)
    assert said == "Sure. " + round_ * 20
    assert finished == LAST


@pytest.mark.parametrize("asked", ["Say hello.", "What is twelve times two?", "Can you repeat that, please?"])
async def test_repetition_that_nobody_asked_for_is_a_loop(asked: str) -> None:
    _, finished = await _through("I am a friendly voice. " * 20, asked=asked)
    assert finished.reason == "stop"
    assert finished != LAST
