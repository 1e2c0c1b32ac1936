"""Who pays for what: by session, and by client where sessions follow each other."""

from realtime.limits.accounts import _MOST_CLIENTS, Accounts


def test_sessions_at_once_have_an_account_each_and_the_next_takes_over_the_last() -> None:
    accounts = Accounts()
    with accounts.of("a") as first, accounts.of("a") as second, accounts.of("b") as other:
        assert len({id(first), id(second), id(other)}) == 3
    with accounts.of("a") as one, accounts.of("a") as another, accounts.of("a") as third:
        assert {id(one), id(another)} == {id(first), id(second)}
        assert third not in (first, second)


def test_the_least_recent_clients_are_forgotten() -> None:
    accounts = Accounts()
    with accounts.of("first") as first:
        pass
    for number in range(_MOST_CLIENTS):
        with accounts.of(str(number)):
            pass
    with accounts.of("first") as again:
        assert again is not first
