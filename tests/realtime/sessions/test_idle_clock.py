"""Silence fills the gaps in a client's audio, in virtual time."""

from hypothesis import given
from hypothesis import strategies as st

from realtime.sessions.idle_clock import PATIENCE_S, IdleClock

RATE = 16_000
STEP = RATE // 10


def test_a_steady_stream_gets_no_silence() -> None:
    clock = IdleClock(0)
    for block in range(1, 500):
        clock.received(block * 0.02, 320)
        assert clock.due(block * 0.02 + 0.019) == 0


def test_the_clock_advances_without_audio_and_loses_nothing() -> None:
    clock, fed = IdleClock(100), 0
    for tick in range(1, 36_001):
        now = 100 + tick * 0.1001
        fed += clock.due(now)
        assert fed <= round((now - 100) * RATE)
    assert fed > (36_000 * 0.1001 - 0.11) * RATE


def test_it_waits_before_the_first_silence() -> None:
    clock = IdleClock(0)
    assert clock.due(PATIENCE_S - 0.01) == 0
    assert clock.due(PATIENCE_S) == 3 * STEP
    assert clock.due(PATIENCE_S) == 0


def test_late_audio_is_held_against_the_next_silence() -> None:
    clock = IdleClock(0)
    assert clock.due(0.5) == 5 * STEP
    clock.received(0.5, 5 * STEP)  # it was on its way: half a second too much
    assert clock.due(0.9) == 0
    assert clock.due(1.5) == 5 * STEP  # audio and silence together: as long as the wall clock says


def test_audio_that_fills_the_rest_of_a_gap_is_not_late() -> None:
    clock = IdleClock(0)
    assert clock.due(0.4) == 4 * STEP
    clock.received(0.5, STEP)
    assert clock.due(0.9) == 4 * STEP


def test_a_clip_sent_at_once_is_followed_by_silence_in_real_time() -> None:
    clock = IdleClock(0)
    clock.received(0.1, 10 * RATE)
    assert clock.due(0.6) == 5 * STEP


def test_a_restart_forgets_the_time_before() -> None:
    clock = IdleClock(0)
    clock.restart(50)
    assert clock.due(50.29) == 0
    assert clock.due(50.4) == 4 * STEP


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, RATE)), max_size=40))
def test_silence_is_never_longer_than_the_gap_that_it_fills(chunks: list[tuple[float, int]]) -> None:
    clock, now = IdleClock(0), 0.0
    for gap, samples in chunks:
        fed = sum(clock.due(now + gap * part / 4) for part in range(5))
        assert 0 <= fed <= round(gap * RATE)
        assert fed % STEP == 0
        now += gap
        clock.received(now, samples)
