"""Acoustic questions are what they claim to be: the answer can be measured in the sound."""

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.pcm import INPUT_RATE, Pcm
from tests.training.voices import RecordedSpeaker
from training.data.acoustic import KINDS, Question, Split, generate
from training.data.effects import change_db, level_db
from training.data.traces import trace
from training.reasoning.filters import keeps

NUMBER = 6 * len(KINDS)
FRAME = INPUT_RATE // 50


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return generate(RecordedSpeaker(), "train", NUMBER, seed=1)


def of_kind(questions: list[Question], kind: str) -> list[tuple[str, Pcm]]:
    return [(one.answer, one.pcm) for one in questions if one.kind == kind and one.pcm is not None]


def levels(pcm: Pcm) -> NDArray[np.float64]:
    """RMS of each 20 ms."""
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME)
    rms: NDArray[np.float64] = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))
    return rms


def test_the_same_seed_makes_the_same_questions(questions: list[Question]) -> None:
    again = generate(RecordedSpeaker(), "train", NUMBER, seed=1)
    assert [one.answer for one in again] == [one.answer for one in questions]
    assert all(np.array_equal(one.pcm, other.pcm) for one, other in zip(again, questions, strict=True))  # type: ignore[arg-type]


def test_all_answers_of_a_kind_are_equally_frequent(questions: list[Question]) -> None:
    for name, kind in KINDS.items():
        answers = [one.answer for one in questions if one.kind == name]
        assert {answers.count(choice) for choice in kind.choices} == {len(answers) // len(kind.choices)}


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_shares_no_sentence_and_no_wording_with_the_training(questions: list[Question], split: Split) -> None:
    held_out = generate(RecordedSpeaker(), split, NUMBER, seed=1)
    assert {one.transcript for one in questions}.isdisjoint({one.transcript for one in held_out})
    assert {one.asked for one in questions if one.asked}.isdisjoint({one.asked for one in held_out})


def test_the_level_changes_as_asked(questions: list[Question]) -> None:
    for answer, pcm in of_kind(questions, "level"):
        assert 10 < change_db(pcm) * (1 if answer == "louder" else -1) < 26


def test_only_a_pause_is_silent_for_long(questions: list[Question]) -> None:
    for answer, pcm in of_kind(questions, "pause"):
        quiet = "".join("." if level < 1e-4 else "S" for level in levels(pcm))
        longest = max(map(len, quiet.split("S")))
        assert (longest * FRAME / INPUT_RATE >= 0.7) is (answer == "yes")


def test_the_background_is_heard_before_the_voice(questions: list[Question]) -> None:
    for answer, pcm in of_kind(questions, "background"):
        before = pcm[: INPUT_RATE // 4]
        spectrum = np.abs(np.fft.rfft(before)) ** 2
        low = spectrum[: len(spectrum) * 500 // 8000].sum() / max(spectrum.sum(), 1e-12)
        heard = "silence" if level_db(before) < -100 else "hum" if low > 0.5 else "hiss"
        assert heard == answer


def test_the_beep_is_where_it_is_said_to_be(questions: list[Question]) -> None:
    for answer, pcm in of_kind(questions, "order"):
        quarter = INPUT_RATE // 4
        purity = [
            float(spectrum.max() / spectrum.sum())
            for part in (pcm[:quarter], pcm[-quarter:])
            for spectrum in [np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2]
        ]
        assert (purity[0] > purity[1]) is (answer == "beep")


def test_the_traces_of_the_cold_start_pass_the_filters(questions: list[Question]) -> None:
    random = np.random.default_rng(0)
    for question in questions:
        assert keeps(trace(question, random).text, question.answer, question.choices), trace(question, random)
