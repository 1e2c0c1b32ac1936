import pytest

from realtime.webrtc.voice_track import PacketClock


def test_blocks_are_due_every_20_ms_whatever_waiting_takes() -> None:
    pace = PacketClock()
    assert pace.next(10.0) == (0, 0.0)
    numbers, waits = zip(*[pace.next(now) for now in (10.001, 10.027, 10.04)], strict=True)
    assert numbers == (1, 2, 3)
    assert waits == pytest.approx((0.019, 0.013, 0.02))


def test_a_short_stall_is_caught_up_with_at_once() -> None:
    pace = PacketClock()
    pace.next(0.0)
    assert [pace.next(0.05) for _ in range(3)] == [(1, 0.0), (2, 0.0), (3, pytest.approx(0.01))]


def test_a_long_stall_leaves_a_gap_and_no_burst() -> None:
    pace = PacketClock()
    pace.next(0.0)
    assert [pace.next(0.515) for _ in range(2)] == [(25, 0.0), (26, pytest.approx(0.005))]


def test_nothing_adds_up_over_an_hour() -> None:
    pace, now = PacketClock(), 0.0
    for _ in range(50 * 3600):
        number, wait_s = pace.next(now)
        now += wait_s + 0.0007
    assert now == pytest.approx(number / 50 + 0.0007)
