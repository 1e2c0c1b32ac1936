"""Names that say where a session is."""

from realtime.sessions.places import name_of, place_of, placed


def test_a_name_says_where_its_session_is() -> None:
    assert placed("rtc_1", "b2") == "rtc_1.b2"
    assert (name_of("rtc_1.b2"), place_of("rtc_1.b2")) == ("rtc_1", "b2")


def test_a_name_without_a_place_is_itself() -> None:
    assert placed("rtc_1", "") == "rtc_1"
    assert (name_of("rtc_1"), place_of("rtc_1")) == ("rtc_1", "")
