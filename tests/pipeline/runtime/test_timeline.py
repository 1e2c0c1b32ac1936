from pipeline.runtime.timeline import KEPT_BLOCKS, ArrivalTimes, Timeline


def test_latencies_count_from_the_end_of_speech() -> None:
    timeline = Timeline(speech_ended=10.0, turn_decided=10.5, first_token=10.75, first_packet=11.0)
    assert timeline.since_speech_ended() == {
        "speech_ended": 0.0,
        "turn_decided": 0.5,
        "first_token": 0.75,
        "first_packet": 1.0,
    }


def test_what_was_not_measured_is_none() -> None:
    assert Timeline().since_speech_ended() == {}
    assert "first_packet" not in Timeline(speech_ended=1.0).since_speech_ended()
    assert Timeline(turn_decided=1.0, first_token=1.25).since_speech_ended() == {
        "turn_decided": 0.0,
        "first_token": 0.25,
    }


def test_a_stage_is_stamped_once() -> None:
    timeline = Timeline(first_token=3.0)
    timeline.stamp("first_token")
    timeline.stamp("first_clause")
    assert timeline.first_token == 3.0
    assert timeline.first_clause is not None


def test_arrivals_remember_the_recent_past() -> None:
    arrivals = ArrivalTimes()
    assert arrivals.at(0) is None
    last = 100 * (KEPT_BLOCKS + 1)
    for position in range(100, last + 1, 100):
        arrivals.note(position)
    assert arrivals.at(100) is None
    assert arrivals.at(last - 99) == arrivals.at(last)
    assert arrivals.at(last + 1) is None
