from dataclasses import replace

import pytest

from pipeline.encoders.whisper.guards import (
    Hypothesis,
    compression,
    doubtful,
    looping,
    plain_words,
    runaway,
    said_again,
    silent,
    unclear,
)

GOOD = Hypothesis((1, 2, 3), " How do I boil an egg?", logprob=-0.1, no_speech=0.05, unfinished=False)


def test_a_good_hypothesis_passes() -> None:
    assert not silent(GOOD)
    assert not looping(GOOD)
    assert not doubtful(GOOD)


@pytest.mark.parametrize(
    ("text", "logprob", "no_speech", "nobody"),
    [
        (" you", -0.43, 0.95, True),
        (" I'm gonna be right back.", -1.9, 0.9, True),
        (" ", -0.1, 0.0, True),
        (" Yeah.", -0.6, 0.51, False),
        (" Set a timer for twelve minutes.", -0.1, 0.7, False),
    ],
)
def test_whether_nobody_spoke(text: str, logprob: float, no_speech: float, nobody: bool) -> None:
    hypothesis = replace(GOOD, text=text, logprob=logprob, no_speech=no_speech)
    assert silent(hypothesis) is nobody
    assert doubtful(hypothesis) is nobody


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", range(0)),
        ("no", range(0)),
        ("no, no", range(1, 2)),
        ("No, no, no, no!", range(1, 4)),
        ("yes yes yes yes yes", range(1, 5)),
        ("a kilo of feathers or a kilo of iron", range(0)),
        ("who are you? Who are you? I am", range(3, 6)),
        ("How do I boil an egg? How do I boil an egg?", range(6, 12)),
        ("well, thank you thank you thank you", range(3, 7)),
    ],
)
def test_words_that_are_said_again_right_away(text: str, words: range) -> None:
    assert said_again(plain_words(text)) == words


@pytest.mark.parametrize(
    ("text", "loops", "runs_away"),
    [
        (" No, no, no, no!", False, False),
        (" It was the best of times, it was the worst of times.", False, False),
        (" How do I boil an egg? How do I boil an egg?", True, False),
        (" who painted the Mona Lisa" * 10, True, True),
        (" ha" * 40, True, True),
    ],
)
def test_what_counts_as_a_loop(text: str, loops: bool, runs_away: bool) -> None:
    hypothesis = replace(GOOD, text=text)
    assert looping(hypothesis) is loops
    assert runaway(hypothesis) is runs_away


def test_text_that_never_ended_counts_as_a_loop() -> None:
    assert looping(replace(GOOD, unfinished=True))
    assert runaway(replace(GOOD, unfinished=True))


def test_unsure_words_are_doubted_but_neither_silent_nor_looping() -> None:
    unsure = replace(GOOD, logprob=-1.2)
    assert doubtful(unsure)
    assert not silent(unsure)
    assert not looping(unsure)


def test_repetition_compresses_and_speech_does_not() -> None:
    assert compression(" who painted the Mona Lisa" * 10) > 2.4
    assert compression(GOOD.text) < 1.5


@pytest.mark.parametrize(
    ("first", "padded", "frames", "expected"),
    [
        (("Mass is free, how?", -1.17), ("Masses to be held.", -0.99), 139, True),
        (("Mass is free, how?", -0.8), ("Masses to be held.", -0.99), 139, False),
        (("masses to be held", -1.17), ("Masses to be held.", -0.99), 139, False),
        (("Zagrope", -1.17), ("Sacrub", -1.22), 118, False),
        (("Zagrope", -1.17), ("Sacrub", -1.22), 150, True),
        (("Yes, please", -1.17), ("Yes, please.", -0.6), 150, False),
        (("Yes, please", -1.17), ("Yes, please.", -0.7), 150, False),
        (("415 555", -1.06), ("415-555.", -0.73), 302, False),
        (("4 1 5 5 5 5 5 5 5", -0.63), ("415. 555.", -0.69), 302, False),
        (("Must be held to start from the sky.", -1.24), ("Must be how to start fun fun kite.", -0.8), 303, True),
        (("Must be held to start from the sky.", -1.24), ("Must be how to start fun fun kite.", -0.5), 303, False),
        (("I can't be telling it.", -1.07), ("I'm right back, I'm right back, I'm right back.", -0.5), 267, True),
    ],
)
def test_words_are_invented_if_both_encodings_doubt_them_or_differ(
    first: tuple[str, float], padded: tuple[str, float], frames: int, expected: bool
) -> None:
    def written(text: str, logprob: float) -> Hypothesis:
        return replace(GOOD, text=text, logprob=logprob, no_speech=0.2)

    assert unclear(written(*first), written(*padded), frames) is expected


def test_a_sentence_that_began_in_the_window_before_is_said_again() -> None:
    twice = replace(GOOD, text=" should I wear when it is raining? What should I wear when it is raining?")
    assert not looping(twice)
    assert looping(twice, "I am off. What")
    assert not looping(GOOD, "I am off. What")
