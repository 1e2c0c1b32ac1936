from hypothesis import given
from hypothesis import strategies as st

from pipeline.encoders.whisper.agreement import NEWEST, PASSES, Agreement, Unit


def words(text: str) -> list[Unit]:
    return [tuple(map(ord, word)) for word in text.split()]


def committed(agreement: Agreement) -> str:
    return " ".join("".join(map(chr, unit)) for unit in agreement.committed)


def test_three_hypotheses_in_a_row_must_agree() -> None:
    agreement = Agreement()
    agreement.update(words("i wanna send a parcel"))
    agreement.update(words("i want to send a parcel to"))
    assert committed(agreement) == ""
    agreement.update(words("i want to send a parcel to my"))
    assert committed(agreement) == "i"
    agreement.update(words("i want to send a parcel to my aunt"))
    assert committed(agreement) == "i want to send a parcel to"


def test_the_newest_words_wait_however_often_they_were_seen() -> None:
    agreement = Agreement()
    for _ in range(5):
        agreement.update(words("what is the square root of."))
    assert committed(agreement) == "what is the square"


def test_what_was_committed_stays_when_the_next_hypothesis_is_shorter() -> None:
    agreement = Agreement()
    for _ in range(PASSES):
        agreement.update(words("one two three four"))
    agreement.update(words("one two"))
    assert committed(agreement) == "one two"


def test_a_window_goes_on_from_what_was_carried_over() -> None:
    agreement = Agreement((), words("carried"), words("carried over here now"))
    for _ in range(PASSES - 1):
        agreement.update(words("carried over here now again"))
    assert committed(agreement) == "carried over here"


def test_the_mark_after_the_last_word_may_change() -> None:
    agreement = Agreement(marks=[ord(mark) for mark in ",.?"])
    for news in ("robert,", "robert, who", "robert, who came"):
        agreement.update(words(f"before {news}"))
    assert committed(agreement) == "before robert"
    for _ in range(PASSES):
        agreement.update(words("before robert. who came last?"))
    assert committed(agreement) == "before robert. who"


@given(tails=st.lists(st.lists(st.sampled_from([(1,), (2,), (3, 4)]), max_size=5), max_size=8))
def test_committed_only_grows_and_was_seen_in_every_pass(tails: list[list[Unit]]) -> None:
    agreement = Agreement()
    seen: list[list[Unit]] = []
    for tail in tails:
        before = agreement.committed
        hypothesis = [*before, *tail]
        agreement.update(hypothesis)
        after = agreement.committed
        assert after[: len(before)] == before
        if len(after) > len(before):
            assert len(seen) >= PASSES - 1
            assert all(list(after) == earlier[: len(after)] for earlier in [*seen[1 - PASSES :], hypothesis])
            assert len(after) <= len(hypothesis) - NEWEST
        seen.append(hypothesis)
