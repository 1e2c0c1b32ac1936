"""Who pays for what: by session, and by client where sessions follow each other."""

from pipeline.runtime.fair_shares import FairShares
from realtime.limits.accounts import _MOST_CLIENTS, Accounts
from realtime.limits.pace import Pace, PaceLimits


def accounts_of_a_server() -> Accounts:
    return Accounts(lambda: Pace(PaceLimits(events_per_second=1), 1_000, 0, FairShares(1)))


def test_sessions_at_once_have_an_account_each_and_the_next_takes_over_the_last() -> None:
    accounts = accounts_of_a_server()
    with accounts.of("a") as first, accounts.of("a") as second, accounts.of("b") as other:
        assert len({id(first), id(second), id(other)}) == 3
    with accounts.of("a") as one, accounts.of("a") as another, accounts.of("a") as third:
        assert {id(one), id(another)} == {id(first), id(second)}
        assert third not in (first, second)


def test_the_least_recent_clients_are_forgotten() -> None:
    accounts = accounts_of_a_server()
    with accounts.of("first") as first:
        pass
    for number in range(_MOST_CLIENTS):
        with accounts.of(str(number)):
            pass
    with accounts.of("first") as again:
        assert again is not first


def test_a_client_that_comes_again_finds_its_pace_as_it_left_it() -> None:
    accounts = accounts_of_a_server()
    with accounts.of("a") as account:
        for _ in range(12):
            account.pace.event(1, now=0)
    with accounts.of("a") as again:
        assert again.pace.event(1, now=0) == 3
    with accounts.of("b") as other:
        assert other.pace.event(1, now=0) == 0
