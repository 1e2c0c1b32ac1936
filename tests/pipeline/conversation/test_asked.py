"""Tests of what the user has asked."""

import pytest

from pipeline.conversation.asked import asked_about, last_asked
from pipeline.conversation.items import Item, Message
from pipeline.conversation.spoken_words import SpokenWord
from pipeline.thinking.difficulty import has_to_be_worked_out

PREMISES = "Peter is taller than Robert and Robert is taller than Laura."
QUESTION = "Who is the shortest?"


def asked(text: str | None) -> Message:
    return Message("", "user", text, spoken=True)


def answered(text: str, heard: int | None = None) -> Message:
    """A spoken answer of which so many words were heard; None: all."""
    words = text.split()
    spoken = [SpokenWord(word, n, n + 1) for n, word in enumerate(words)]
    message = Message("", "assistant", " ".join(words[:heard]), words=spoken, rate=24_000)
    if heard is not None:
        message.status = "incomplete"
    return message


@pytest.mark.parametrize(
    ("items", "about"),
    [
        ([], ""),
        ([asked(QUESTION)], QUESTION),
        ([asked(PREMISES), asked(QUESTION)], f"{PREMISES} {QUESTION}"),
        ([asked(PREMISES), answered("Peter is tall.", 2), asked(QUESTION)], f"{PREMISES} {QUESTION}"),
        ([asked(PREMISES), answered("Peter is tall."), asked(QUESTION)], QUESTION),
        ([asked("How many are left?"), answered("There are ten.", 1), asked("Stop it.")], "Stop it."),
        ([asked(PREMISES), asked(QUESTION), answered("Laura.")], f"{PREMISES} {QUESTION}"),
        ([asked(PREMISES), asked(None)], ""),
    ],
)
def test_statements_belong_to_the_question_unless_they_were_answered(items: list[Item], about: str) -> None:
    assert asked_about(items) == about
    assert about.endswith(last_asked(items))


def test_a_question_about_premises_of_a_turn_before_has_to_be_worked_out() -> None:
    items: list[Item] = [asked(PREMISES), answered("Peter is tall.", 1), asked(QUESTION)]
    assert not has_to_be_worked_out(last_asked(items))
    assert has_to_be_worked_out(asked_about(items))
