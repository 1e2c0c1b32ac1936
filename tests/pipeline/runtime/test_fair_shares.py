"""Who has used more of the threads than its share, by tables of use."""

import pytest

from pipeline.runtime.fair_shares import FairShares


@pytest.mark.parametrize(
    ("used", "beyond"),
    [
        ({}, set()),
        ({"a": 19}, set()),
        ({"a": 19, "b": 0.4}, set()),
        ({"a": 6, "b": 5, "c": 5}, set()),
        ({"a": 7, "b": 2, "c": 2}, {"a"}),
        ({"a": 5, "b": 5, "c": 5, "d": 5}, set()),
        ({"a": 6, "b": 6, **{f"honest {number}": 1.0 for number in range(9)}}, {"a", "b"}),
        # Those that are silent leave their shares to the others.
        ({"a": 9, "b": 9, **{f"silent {number}": 0.2 for number in range(9)}}, set()),
    ],
)
def test_beyond_its_share_is_who_uses_more_than_each_would_have(used: dict[str, float], beyond: set[str]) -> None:
    shares = FairShares(threads=2)
    for account, seconds in used.items():
        shares.note(account, seconds, now=0)
    assert shares.beyond(1.0, now=0) == beyond


def test_what_was_used_is_forgotten_in_time() -> None:
    shares = FairShares(threads=1)
    for second in range(30):
        shares.note("rushing", 0.9, second)
        for number in range(4):
            shares.note(f"honest {number}", 0.1, second)
    assert shares.beyond(1.0, 30) == {"rushing"}
    for second in range(31, 60):
        for number in range(4):
            shares.note(f"honest {number}", 0.1, second)
    assert shares.beyond(1.0, 60) == set()


def test_half_a_share_is_less_than_a_whole_one() -> None:
    shares = FairShares(threads=2)
    for account, seconds in {"a": 4, "b": 1, "c": 2}.items():
        shares.note(account, seconds, now=0)
    assert shares.beyond(0.5, now=0) == {"a"}
    assert shares.beyond(1.0, now=0) == set()
