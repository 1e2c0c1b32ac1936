import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.commands import SemanticVad, ServerVad
from pipeline.listening.completeness import Evidence
from pipeline.listening.endpointing import LOOKS_S, open_words, patience, samples, thresholds
from pipeline.settings import TurnSettings

SETTINGS = TurnSettings(complete_s=0.3, incomplete_s=1.5)
AUTO = SemanticVad()


def wait_s(words: str, by_words: float | None = 0.6, by_sound: float | None = 0.97) -> float:
    return patience(SETTINGS, AUTO, Evidence(words, "", by_words, by_sound)) / samples(1)


@pytest.mark.parametrize("words", ["What time is it?", "How far is the moon?", "Can you call her?"])
def test_a_complete_question_waits_least(words: str) -> None:
    assert wait_s(words) == SETTINGS.complete_s


@pytest.mark.parametrize(
    ("words", "by_words"),
    [
        ("What time is", 1e-5),
        ("I think, um", 0.9),
        ("Uh", 0.9),
        ("My phone number is 555", 0.9),
        ("The code is 7, 9, 2", 0.9),
    ],
)
def test_what_is_not_complete_waits_longest(words: str, by_words: float) -> None:
    assert wait_s(words, by_words) == SETTINGS.incomplete_s


def test_a_statement_that_could_go_on_waits_less_than_half_a_sentence() -> None:
    assert wait_s("I need milk.", 0.2, 0.97) < 0.85 * SETTINGS.incomplete_s


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_complete_words_never_wait_longer(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert wait_s("words", high) <= wait_s("words", low)


def test_eagerness_scales_every_wait() -> None:
    eager, patient = SemanticVad("high"), SemanticVad("low")
    for probability in (0.0, 0.01, 1.0):
        evidence = Evidence("words", "", probability, 0.9)
        waits = [patience(SETTINGS, vad, evidence) for vad in (eager, AUTO, patient)]
        assert waits == sorted(set(waits))
    assert thresholds(SETTINGS, patient).end == samples(1.5 * SETTINGS.patient_factor)


def test_where_nothing_is_known_the_wait_is_fixed() -> None:
    assert wait_s("words", None, None) == SETTINGS.silence_s


def test_the_sound_is_judged_as_the_silence_grows_and_only_where_it_counts() -> None:
    assert thresholds(SETTINGS, AUTO).looks == tuple(map(samples, LOOKS_S))
    assert thresholds(SETTINGS, ServerVad(0.5, 0.3, 0.5)).looks == ()


def test_a_fixed_silence_is_what_the_client_asked_for() -> None:
    limits = thresholds(SETTINGS, ServerVad(0.7, 0.3, 0.9, idle_timeout_s=6))
    assert (limits.speech, limits.end, limits.idle) == (0.7, samples(0.9), samples(6))


def test_the_pause_never_comes_after_the_end() -> None:
    assert thresholds(TurnSettings(pause_s=0.2), ServerVad(0.5, 0.3, 0.05)).pause == samples(0.05)


@pytest.mark.parametrize(
    ("text", "words"),
    [("Hello there.", "Hello there"), ("Why?!", "Why"), ("and so...", "and so"), ("half, ", "half"), ("", "")],
)
def test_final_marks_are_no_words(text: str, words: str) -> None:
    assert open_words(text) == words
