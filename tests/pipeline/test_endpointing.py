import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.commands import SemanticVad, ServerVad
from pipeline.endpointing import open_words, patience, samples, thresholds
from pipeline.settings import TurnSettings

SETTINGS = TurnSettings(complete_s=0.3, incomplete_s=1.5, complete_probability=0.1, incomplete_probability=0.001)
AUTO = SemanticVad()


@pytest.mark.parametrize(
    ("words", "probability", "wait_s"),
    [
        ("What time is it", 0.5, 0.3),
        ("What time is it", 0.1, 0.3),
        ("What time is", 0.01, 0.9),
        ("What time is", 0.001, 1.5),
        ("What time is", 0.0, 1.5),
        ("I think, um", 0.9, 1.5),
        ("Well, erm...", 0.9, 1.5),
        ("Uh", 0.9, 1.5),
        ("Play the drum", 0.9, 0.3),
        ("Call her", 0.9, 0.3),
        ("My phone number is 555", 0.9, 1.5),
        ("The code is 7, 9, 2", 0.9, 1.5),
        ("The square root of 144", 0.9, 0.3),
        ("Your number, please", 0.9, 0.3),
    ],
)
def test_the_wait_falls_with_how_complete_the_words_are(words: str, probability: float, wait_s: float) -> None:
    assert patience(SETTINGS, AUTO, words, probability) == pytest.approx(samples(wait_s), abs=1)


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_complete_words_never_wait_longer(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert patience(SETTINGS, AUTO, "words", high) <= patience(SETTINGS, AUTO, "words", low)


def test_eagerness_scales_every_wait() -> None:
    eager, patient = SemanticVad("high"), SemanticVad("low")
    for probability in (0.0, 0.01, 1.0):
        waits = [patience(SETTINGS, vad, "words", probability) for vad in (eager, AUTO, patient)]
        assert waits == sorted(set(waits))
    assert thresholds(SETTINGS, patient).end == samples(1.5 * SETTINGS.patient_factor)


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
