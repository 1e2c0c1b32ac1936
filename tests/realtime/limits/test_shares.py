"""What counts as one client, and what it holds."""

import pytest

from realtime.limits.client_limits import ClientLimits
from realtime.limits.connections import Connections
from realtime.limits.rates import Rate
from realtime.limits.refusals import Refusals
from realtime.limits.shares import Shares, client_address


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("", "", True),
    ],
)
def test_a_client_is_an_address_or_the_network_that_it_can_choose_from(one: str, other: str, same: bool) -> None:
    assert (client_address(one) == client_address(other)) is same


def test_what_was_given_back_is_forgotten() -> None:
    shares = Shares()
    with shares.one("a"), shares.one("a"), shares.one("b"):
        assert (shares["a"], shares["b"], shares["c"], len(shares)) == (2, 1, 0, 2)
    assert len(shares) == 0


def test_connections_are_bounded_for_one_and_for_all() -> None:
    refusals = Refusals()
    connections = Connections(ClientLimits(connections_per_client=2, max_connections=3), refusals)
    first = connections.admit("192.0.2.1")
    assert first is not None
    assert connections.admit("192.0.2.1") is not None
    assert connections.admit("192.0.2.1") is None
    assert connections.admit("192.0.2.2") is not None
    assert connections.admit("192.0.2.3") is None
    assert refusals.counts() == {"too_many_connections": 2}
    first()
    assert connections.admit("192.0.2.3") is not None


def test_this_machine_is_exempt_from_shares_but_not_from_the_total() -> None:
    connections = Connections(ClientLimits(connections_per_client=1, max_connections=3), Refusals())
    assert [connections.admit("127.0.0.1") is None for _ in range(4)] == [False, False, False, True]
    strict = Connections(ClientLimits(trust_loopback=False, connections_per_client=1), Refusals())
    assert [strict.admit("127.0.0.1") is None for _ in range(2)] == [False, True]


async def test_a_rate_tells_what_is_left_and_when_to_come_back() -> None:
    rate = Rate("calls", a_minute=1, burst=2)
    first, second, third = [await rate.take("a") for _ in range(3)]
    assert (first.allowed, second.allowed, third.allowed) == (True, True, False)
    assert (first.remaining, second.remaining) == (1, 0)
    assert 50 < third.retry_s <= 60
    assert 0 < int(third.headers()["retry-after"]) <= 60
    assert third.headers()["x-ratelimit-limit-requests"] == "2"
    assert (await rate.take("b")).allowed
    assert not (await rate.peek("a")).allowed
    assert (await rate.peek("c")).remaining == (await rate.peek("c")).remaining == 2
