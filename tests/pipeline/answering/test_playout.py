from hypothesis import given
from hypothesis import strategies as st

from pipeline.answering.playout import Playout
from pipeline.conversation.spoken_words import SpokenWord, played_text


def test_nothing_is_played_before_it_is_sent() -> None:
    playout = Playout(24_000)
    assert playout.played(16_000) == 0
    playout.send(24_000, at=16_000)
    assert playout.played(16_000) == 0
    assert playout.played(24_000) == 12_000
    assert not playout.finished(24_000)
    assert playout.played(80_000) == 24_000
    assert playout.finished(80_000)


def test_an_underrun_does_not_count_as_playing() -> None:
    playout = Playout(16_000)
    playout.send(1_000, at=0)
    playout.send(1_000, at=5_000)
    assert playout.played(5_000) == 1_000
    assert playout.played(5_500) == 1_500


def test_an_answer_waits_for_the_one_before_it() -> None:
    first = Playout(24_000)
    first.send(24_000, at=0)
    second = Playout(24_000)
    second.begin(first.ends(at=4_000))
    second.send(2_400, at=4_000)
    assert second.played(16_000) == 0
    assert second.played(17_000) == 1_500


def test_what_is_played_again_counts_once() -> None:
    playout = Playout(24_000)
    playout.send(24_000, at=0)
    playout.hold(8_000)
    playout.resume(12_000)
    playout.rewind(9_000)
    assert playout.played(12_000) == 9_000
    assert playout.played(16_000) == 15_000
    assert playout.ends(16_000) == 22_000
    playout.rewind(20_000)
    assert playout.played(16_000) == 15_000


def test_only_whole_words_were_heard() -> None:
    words = [SpokenWord("The", 0, 100), SpokenWord("moon", 100, 250), SpokenWord("shines.", 260, 400)]
    assert played_text(words, 99) == ""
    assert played_text(words, 250) == "The moon"
    assert played_text(words, 1_000) == "The moon shines."


@given(
    rate=st.sampled_from([8_000, 16_000, 22_050, 24_000]),
    steps=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)), max_size=60),
)
def test_played_grows_with_time_and_never_beyond_what_was_sent(rate: int, steps: list[tuple[int, int]]) -> None:
    playout, now, before = Playout(rate), 0, 0
    for passed, sent in steps:
        now += passed
        played = playout.played(now)
        assert before <= played <= playout.sent
        assert played - before <= passed * rate // 16_000 + 1
        playout.send(sent, now)
        before = played
    end = playout.ends(now)
    assert playout.finished(end)
