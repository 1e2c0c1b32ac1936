import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encoders.logmel import LogMels
from pipeline.encoders.whisper.unheard import (
    DEAF_FRAMES,
    GAP_FRAMES,
    LATE_FRAMES,
    LEAST_FRAMES,
    may_go_unheard,
    unheard_from,
)


def speech(frames: int, *stretches: tuple[int, int]) -> LogMels:
    log_mels = np.full((80, frames), -5, np.float32)
    for start, end in stretches:
        log_mels[:, start:end] = 0
    return log_mels


TWO_SENTENCES = speech(500, (50, 200), (250, 400))


@pytest.mark.parametrize("last_word", [60, 150, 190])
def test_speech_after_a_pause_is_found_in_the_pause(last_word: int) -> None:
    frame = unheard_from(TWO_SENTENCES, last_word)
    assert frame is not None
    assert 200 < frame < 250


def test_a_transcript_to_the_end_leaves_nothing_out() -> None:
    assert unheard_from(TWO_SENTENCES, 380) is None


def test_the_stop_within_a_word_is_no_pause() -> None:
    assert unheard_from(speech(500, (50, 200), (200 + GAP_FRAMES // 2, 300)), 190) is None


def test_a_click_after_the_last_word_is_no_speech() -> None:
    assert unheard_from(speech(500, (50, 200), (300, 300 + LEAST_FRAMES // 2)), 190) is None


@pytest.mark.parametrize(("last", "frames"), [(True, LATE_FRAMES), (False, DEAF_FRAMES)])
def test_words_are_missed_after_enough_speech(last: bool, frames: int) -> None:
    log_mels = speech(500, (50, 200), (250, 260 + frames))
    assert may_go_unheard(log_mels, 240, last)
    assert not may_go_unheard(log_mels, 280, last)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 399))
def test_what_is_found_lies_after_the_word_and_before_speech(parts: list[bool], last_word: int) -> None:
    log_mels = speech(400, *((10 * at, 10 * at + 10) for at, loud in enumerate(parts) if loud))
    frame = unheard_from(log_mels, last_word)
    if frame is not None:
        assert last_word <= frame < 400
        assert log_mels[0, frame:].max() == 0
