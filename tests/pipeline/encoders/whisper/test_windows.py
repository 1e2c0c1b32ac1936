import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encoders.logmel import LogMels
from pipeline.encoders.whisper.windows import KEPT_FRAMES, LATE_FRAMES, Cut, cut_anywhere, cut_at_sentence


def loud_but(frames: int, *quiet: tuple[int, int]) -> LogMels:
    log_mels = np.zeros((80, frames), np.float32)
    for start, end in quiet:
        log_mels[:, start:end] = -5
    return log_mels


STARTS = [0, 100, 250, 400, 550, 700, 850]
"""Seven words in ten seconds."""


def test_the_last_sentence_that_is_over_is_cut_in_its_pause() -> None:
    cut = cut_at_sentence(loud_but(1000, (360, 400), (520, 550)), STARTS, [3, 4])
    assert cut is not None
    assert cut.word == 4
    assert 520 <= cut.frame < 550


def test_a_sentence_that_ended_just_now_stays_open() -> None:
    assert cut_at_sentence(loud_but(900), STARTS, [6]) is None


def test_a_window_is_cut_at_the_quietest_gap_of_its_second_half() -> None:
    cut = cut_anywhere(loud_but(1000, (360, 400), (680, 700)), STARTS, committed=6)
    assert cut.word == 5
    assert 680 <= cut.frame < 700


def test_committed_words_are_cut_rather_than_others() -> None:
    assert cut_anywhere(loud_but(1000, (680, 700)), STARTS, committed=4).word == 4
    assert cut_anywhere(loud_but(1000, (680, 700)), STARTS, committed=0).word == 5


def test_without_words_all_but_the_last_second_goes() -> None:
    assert cut_anywhere(loud_but(800), [], committed=0) == Cut(0, 800 - KEPT_FRAMES)


def test_words_long_ago_go_whole() -> None:
    assert cut_anywhere(loud_but(2000), [0, 100, 200], committed=1) == Cut(3, 2000 - KEPT_FRAMES)


@given(
    frames=st.integers(300, 2000),
    positions=st.lists(st.floats(0, 1), max_size=40),
    share=st.floats(0, 1),
    seed=st.integers(0, 9),
)
def test_a_cut_always_shortens_the_window_between_two_words(
    frames: int, positions: list[float], share: float, seed: int
) -> None:
    starts = sorted(int(position * (frames - 1)) for position in positions)
    log_mels = np.random.default_rng(seed).standard_normal((2, frames), np.float32)
    cut = cut_anywhere(log_mels, starts, committed=int(share * len(starts)))
    assert 0 < cut.frame < frames
    assert all(start <= cut.frame for start in starts[: cut.word])
    assert all(start >= cut.frame - LATE_FRAMES for start in starts[cut.word :])
