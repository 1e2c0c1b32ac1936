"""What stock models do with half-finished thoughts, and what of it is said."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decoders.decoder import Open, Text, Thought
from pipeline.thinking.prompts import articulation, formulation, whole_thoughts
from pipeline.thinking.repetition_guard import CORRECTION, RESTART, SpeechGuard


def say(*segments: str, size: int = 1000) -> str:
    """What is said of speech that was written in these segments, in pieces of `size` characters."""
    guard = SpeechGuard()
    said = ""
    for segment in segments:
        guard.resume()
        for start in range(0, len(segment), size):
            said += guard.push(segment[start : start + size])
    return said + guard.finish()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("segments", "said"),
    [
        (["The answer is", " twelve."], "The answer is twelve."),
        (["The answer is", "The answer is twelve."], "The answer is twelve."),
        (["The answer is", "So, the answer is twelve."], "The answer is twelve."),
        (["Sure. The answer is", "Sure. The answer is twelve."], "Sure. The answer is twelve."),
        (["It costs ten euros. ", "It costs ten euros. And it is red."], "It costs ten euros. And it is red."),
        (
            ["It costs ten euros. It is red. ", "It is red. It costs ten euros. Bye."],
            "It costs ten euros. It is red. Bye.",
        ),
        (["It costs ten euros. Well, it costs ten euros! Bye."], "It costs ten euros. Bye."),
        (["It costs 10 euros. ", "It costs 12 euros."], f"It costs 10 euros. {CORRECTION}It costs 12 euros."),
        (["It is seventeen. ", "So it is seven."], f"It is seventeen. {CORRECTION}So it is seven."),
        (["It is seven. ", "It is seventeen."], f"It is seven. {CORRECTION}It is seventeen."),
        (["You can swim there. ", "You can't swim there."], f"You can swim there. {CORRECTION}You can't swim there."),
        (["Yes, it is. ", "No, it is."], f"Yes, it is. {CORRECTION}No, it is."),
        (
            ["The answer to that is", "The answer to it was four."],
            f"The answer to that is{RESTART}The answer to it was four.",
        ),
        (["The train leaves", " at nine."], "The train leaves at nine."),
        (["The dog and", " the cat. The dog is big."], "The dog and the cat. The dog is big."),
        (["It costs ten euros. It costs ten euros each."], "It costs ten euros. It costs ten euros each."),
        (["Yes. I know. Yes."], "Yes. I know. Yes."),
        (["Room 1 is free. ", "Room 2 is free."], "Room 1 is free. Room 2 is free."),
        (
            ["No. Two plus two is four. ", "Two plus three is five."],
            "No. Two plus two is four. Two plus three is five.",
        ),
        (["It is 3.5 metres. ", "It is 3.5 feet."], "It is 3.5 metres. It is 3.5 feet."),
        (
            ["You have 20 apples. You give away 8. You have 12 apples."],
            "You have 20 apples. You give away 8. You have 12 apples.",
        ),
        (
            ["You have 20 apples. ", "You have 8 apples. You give away 3. You have 5 apples."],
            f"You have 20 apples. {CORRECTION}You have 8 apples. You give away 3. You have 5 apples.",
        ),
        (
            ["You have 20", " apples. You have 12 apples. ", "You have 9 apples."],
            f"You have 20 apples. You have 12 apples. {CORRECTION}You have 9 apples.",
        ),
    ],
)
def test_what_is_said_again_is_said_once_and_what_is_said_otherwise_is_a_correction(
    segments: list[str], said: str, size: int
) -> None:
    assert say(*segments, size=size).strip() == said


def test_new_words_are_not_held_back() -> None:
    guard = SpeechGuard()
    for piece in ("The", " answer", " is", " twelve", "."):
        assert guard.push(piece) == piece
    assert [guard.push(piece) for piece in (" The", " train", " leaves")] == [" ", "The train", " leaves"]


def test_words_are_held_only_while_they_were_said_before() -> None:
    guard = SpeechGuard()
    assert guard.push("The answer is twelve. ") == "The answer is twelve. "
    assert guard.push("The answer") == ""
    assert guard.push(" was") == "The answer was"
    assert guard.push(" found") == " found"


def test_the_next_segment_goes_on_with_what_was_said() -> None:
    guard = SpeechGuard()
    guard.push("The answer is twelve. The answer")
    assert guard.said == "The answer is twelve. "
    guard.resume()
    assert guard.push("Bye.") == "Bye."


def test_a_model_that_turns_in_circles_is_noticed() -> None:
    guard = SpeechGuard()
    guard.push("It costs ten euros. ")
    for _ in range(3):
        assert not guard.stuck
        assert guard.push("It costs ten euros. ") == ""
    assert guard.stuck
    assert guard.push("Bye. ") == "Bye. "
    assert not guard.stuck


def test_an_answer_without_an_end_is_said_to_its_end() -> None:
    assert say("It costs ten euros. It costs ten") == "It costs ten euros. It costs ten"
    assert say("The answer is", "The answer") == "The answer is"
    assert say("") == ""


SENTENCES = [
    "The blue house stands on a hill. ",
    "Rain falls in the valley? ",
    "My sister plays the violin! ",
    "He said 3.5 was enough. ",
    "Nobody knows why.\n",
    "Well, the sea is deep. ",
]


@given(st.permutations(SENTENCES), st.randoms(use_true_random=False), st.booleans())
def test_what_is_new_is_said_word_for_word(sentences: list[str], generator: random.Random, resume: bool) -> None:
    text = "".join(sentences)
    guard, said = SpeechGuard(), ""
    while text:
        length = generator.randint(1, 12)
        if resume and guard.said == "".join(sentences)[: -len(text)] and not text[0].isalnum():
            guard.resume()
        said += guard.push(text[:length])
        text = text[length:]
    assert said + guard.finish() == "".join(sentences)


@given(st.permutations(SENTENCES), st.integers(6, 60), st.randoms(use_true_random=False))
def test_an_answer_that_is_begun_anew_is_said_once(sentences: list[str], length: int, generator: random.Random) -> None:
    text = "".join(sentences)
    cut = text.find(" ", length)
    guard = SpeechGuard()
    said = guard.push(text[:cut])
    guard.resume()
    rest = text
    while rest:
        size = generator.randint(1, 12)
        said += guard.push(rest[:size])
        rest = rest[size:]
    assert (said + guard.finish()).split() == text.split()


@given(st.lists(st.text(alphabet="ab 1.,\n?'", max_size=8), max_size=20), st.booleans())
def test_nothing_is_said_that_was_not_written(pieces: list[str], resume: bool) -> None:
    guard, said = SpeechGuard(), ""
    for piece in pieces:
        if resume:
            guard.resume()
        said += guard.push(piece)
    said += guard.finish()
    assert guard.said == said
    letters = said.replace(CORRECTION, "").replace(RESTART, "").replace(" ", "")
    remaining = iter("".join(pieces))
    assert all(letter in remaining for letter in letters), "in order"


def test_the_streams_read_the_thoughts_open_and_closed() -> None:
    thoughts = "Ten is 5 and 5. Half of 3.5 is"
    assert formulation(thoughts) == [Open("assistant"), Thought(thoughts)]
    assert articulation(thoughts, "It is") == [Open("assistant"), Thought("Ten is 5 and 5."), Text("It is")]
    assert articulation(thoughts, "It is", ended=True) == [Open("assistant"), Thought(thoughts), Text("It is")]
    assert articulation("", "") == [Open("assistant"), Thought(""), Text("")]


@pytest.mark.parametrize(
    ("thoughts", "whole"),
    [
        ("", ""),
        ("Half a thought", "Half a thought"),
        ("One. Two. Thr", "One. Two."),
        ("First:\n- three\n- fo", "First:\n- three"),
        ("It is 3.5 ", "It is 3.5 "),
    ],
)
def test_only_whole_thoughts_are_spoken_from(thoughts: str, whole: str) -> None:
    assert whole_thoughts(thoughts) == whole


def test_segments_that_bring_nothing_new_end_the_answer() -> None:
    guard = SpeechGuard()
    for _ in range(4):
        guard.resume()
        assert not guard.stuck
        guard.push("The answer is that the answer is")
    guard.resume()
    assert guard.stuck
