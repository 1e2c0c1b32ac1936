"""Questions that recognizers join to what they are about."""

import pytest

from pipeline.conversation.items import Message
from pipeline.conversation.rendering import as_units
from pipeline.conversation.run_on_questions import with_question_apart
from pipeline.decoders.decoder import Close, Open, Text


@pytest.mark.parametrize(
    ("heard", "read"),
    [
        (
            "Thomas is taller than Susan, and Susan is taller than Peter, who is the tallest?",
            "Thomas is taller than Susan, and Susan is taller than Peter. Who is the tallest?",
        ),
        (
            "Hello. I have seven apples and buy six, how many do I have?",
            "Hello. I have seven apples and buy six. How many do I have?",
        ),
        (
            "A film begins at six and lasts two hours, when does it end?",
            "A film begins at six and lasts two hours. When does it end?",
        ),
    ],
)
def test_a_question_behind_a_comma_gets_its_own_sentence(heard: str, read: str) -> None:
    assert with_question_apart(heard) == read
    assert with_question_apart(read) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "Do you know my neighbour from upstairs, who is a doctor?",
        "And where is the house of my aunt, which is blue?",
        "You remember my brother from Berlin, who was here last week?",
        "Anna, who is the tallest?",
        "Tell me, what is the capital of France?",
        "I met my neighbour from upstairs, who is a doctor.",
        "I have seven apples, oranges and pears. How many do I have?",
    ],
)
def test_what_belongs_to_its_sentence_stays_there(text: str) -> None:
    assert with_question_apart(text) == text


def test_the_decoder_reads_what_people_say_so_and_its_own_words_as_they_are() -> None:
    text = "Thomas is taller than Susan by a head, who is the tallest?"
    asked, answered = as_units([Message("1", "user", text), Message("2", "assistant", text)])
    assert asked.units == (
        Open("user"),
        Text("Thomas is taller than Susan by a head. Who is the tallest?"),
        Close("user"),
    )
    assert answered.units == (Open("assistant"), Text(text), Close("assistant"))
