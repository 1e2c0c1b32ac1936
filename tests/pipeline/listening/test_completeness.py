"""How likely a pause is the end of the turn."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.listening.completeness import Evidence, features, probability_of_end

WORDS = [
    "What is the capital of France?",
    "I had a long day.",
    "I would like to",
    "My number is 415",
    "I need milk, eggs.",
    "Well, um",
    "",
]
KNOWN = [(0.5, 0.9), (0.5, None), (None, 0.9)]


def likely(words: str, by_words: float | None = 0.6, by_sound: float | None = 0.97, asked: str = "") -> float:
    found = probability_of_end(Evidence(words, asked, by_words, by_sound))
    assert found is not None
    return found


@given(st.sampled_from(WORDS), st.sampled_from(KNOWN), st.floats(0, 1), st.floats(0, 1))
def test_surer_opinions_never_make_it_less_likely(
    words: str, known: tuple[float | None, float | None], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    by_words, by_sound = known
    if by_words is not None:
        assert likely(words, low, by_sound) <= likely(words, high, by_sound)
    if by_sound is not None:
        assert likely(words, by_words, low) <= likely(words, by_words, high)


def test_a_complete_question_is_over_and_half_a_sentence_is_not() -> None:
    assert likely("What is the capital of France?") > 0.8
    assert likely("I would like to", 1e-5, 0.05) < 0.1


def test_a_voice_that_does_not_fall_delays_the_end_of_complete_words() -> None:
    assert likely("I want to learn.", 0.1, 0.02) < likely("I want to learn.", 0.1, 0.98) - 0.2


@pytest.mark.parametrize(
    "words", ["My number is 415", "K, R, A", "It is 1240 Maple Street", "My email is Anna.", "Well, um"]
)
def test_dictation_is_not_over_whatever_the_opinions_are(words: str) -> None:
    assert likely(words, 1.0, 0.99) < 0.35


@pytest.mark.parametrize("words", ["415-555-0192.", "anna at yahoo dot com."])
@pytest.mark.parametrize("opinions", [(1e-4, 0.02), (None, 0.02), (1e-4, None)])
def test_what_has_all_its_parts_is_over_whatever_the_opinions_are(
    words: str, opinions: tuple[float | None, float | None]
) -> None:
    assert likely(words, *opinions) > 0.88


def test_one_thing_that_is_needed_is_likelier_all_than_the_second_of_a_list() -> None:
    assert likely("I need milk.") >= likely("I need milk, eggs.")


def test_what_was_asked_is_evidence() -> None:
    assert likely("8.", asked="What is your phone number?") < likely("8.", asked="How many people are you?") - 0.2


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert probability_of_end(Evidence("Whatever.")) is None


@pytest.mark.parametrize("known", KNOWN)
def test_every_figure_has_a_weight(known: tuple[float | None, float | None]) -> None:
    evidence = replace(Evidence("Well."), by_words=known[0], by_sound=known[1])
    assert probability_of_end(evidence) is not None
    assert all(abs(value) < 8 for value in features(evidence).values())
