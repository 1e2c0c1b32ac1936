"""How much one client may send: bursts pass, floods wait, in virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.fair_shares import FairShares
from realtime.limits.pace import AUDIO_BURST_S, BURST_S, Pace, PaceLimits

LIMITS = PaceLimits(events_per_second=100, bytes_per_second=1_000, audio_speed=10, answers_per_second=2)


def pace(cores: FairShares | None = None) -> Pace:
    return Pace(LIMITS, 5_000, now=0, cores=cores or FairShares(2))


def test_a_burst_of_events_passes_and_what_follows_waits() -> None:
    one = pace()
    waits = [one.event(1, 0) for _ in range(round(100 * BURST_S) + 100)]
    assert set(waits[: round(100 * BURST_S)]) == {0}
    assert waits[-1] == pytest.approx(1)


def test_two_of_the_largest_events_pass_at_once() -> None:
    one = pace()
    assert [one.event(5_000, 0), one.event(5_000, 0)] == [0, 0]
    assert one.event(5_000, 0) == pytest.approx(5)


def test_audio_in_real_time_never_waits_and_a_recording_waits_after_its_burst() -> None:
    one, now = pace(), 0.0
    for _ in range(10_000):
        now += 0.02
        assert one.audio(0.02, now) == 0
    assert one.audio(AUDIO_BURST_S - 1, now) == 0
    assert one.audio(11, now) == pytest.approx(1, abs=0.01)


def test_what_makes_models_work_waits_after_its_burst() -> None:
    one = pace()
    assert [one.answer(0) for _ in range(5)] == [0] * 3 + [0.5, 1]


def test_a_client_that_keeps_the_models_busy_is_answered_as_often_as_people_talk_while_others_are_there() -> None:
    cores = FairShares(2)
    hostile, honest = pace(cores), pace(cores)
    hostile.computed(12, 0)
    assert [hostile.answer(0) for _ in range(5)] == [0] * 3 + [0.5, 1], "it is alone"
    honest.computed(2, 10)
    hostile.computed(12, 10)
    assert [hostile.answer(10) for _ in range(5)] == [0, 0, 0, 0.5, 2.5]
    assert hostile.audio(30, 10) == 0
    assert hostile.audio(15, 10) == pytest.approx(10)
    assert [honest.answer(10), honest.audio(45, 10)] == [0, 0]
    assert hostile.answer(100) == 0, "it has rested"


def test_events_that_take_the_loop_s_time_are_followed_by_a_wait() -> None:
    one = pace()
    one.worked(0.9, 0)
    assert one.event(1, 0) == 0
    one.worked(0.2, 0)
    assert one.event(1, 0) == pytest.approx(2)
    assert one.event(1, 2) == pytest.approx(0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 4_000)), max_size=50))
def test_who_waits_as_told_stays_within_the_rate(sent: list[tuple[float, int]]) -> None:
    one, now, total = pace(), 0.0, 0
    for pause, length in sent:
        now += pause
        now += one.event(length, now)
        total += length
        assert total <= 10_000 + 1_000 * now + 1e-6
