import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encoders.embedding.cuts import quietest


@pytest.mark.parametrize("pause", [2000, 5000, 12_000])
def test_the_cut_falls_into_the_middle_of_the_pause(pause: int) -> None:
    pcm = np.ones(20_000, np.float32)
    pcm[pause : pause + 3200] = 0
    assert abs(quietest(pcm, 1000) - (pause + 1600)) <= 160


def test_of_equals_the_last() -> None:
    assert quietest(np.zeros(20_000, np.float32), 1000) > 18_000


def test_what_is_before_the_earliest_does_not_count() -> None:
    pcm = np.ones(20_000, np.float32)
    pcm[:4000] = 0
    pcm[12_000:15_200] = 0.5
    assert abs(quietest(pcm, 8000) - 13_600) <= 160


@given(samples=st.integers(1, 30_000), earliest=st.integers(0, 30_000))
def test_it_is_never_before_the_earliest_nor_behind_the_end(samples: int, earliest: int) -> None:
    pcm = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    earliest = min(earliest, samples)
    assert earliest <= quietest(pcm, earliest) <= samples
