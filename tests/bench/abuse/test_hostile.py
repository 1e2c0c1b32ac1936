"""How the work of an attack is shared among its clients, and what is made of what it did to the others."""

import socket

import pytest

from bench.abuse.attackers import ATTACKERS, Damage
from bench.abuse.hostile import Plan, attacking
from bench.abuse.one_by_one import ALONE, Group, Report


def test_each_client_has_an_address_and_a_seed_of_its_own_and_its_part_of_the_work() -> None:
    kinds = [*ATTACKERS, "fuzz_events", "fuzz_offers"]
    targets = Plan(1234, kinds, events=1001, offers=30, seed=2).targets("v=0")
    assert [kind for kind, _ in targets] == kinds
    assert len({target.address for _, target in targets}) == len({target.seed for _, target in targets}) == len(kinds)
    assert [target.events for kind, target in targets if kind == "fuzz_events"] == [501, 501]
    assert {target.offers for _, target in targets} == {15}
    others = {target.seed for _, target in Plan(1234, kinds, seed=3).targets("")}
    assert not others & {target.seed for _, target in targets}


def test_one_client_attacks_until_it_is_stopped() -> None:
    [(_, target)] = Plan(1234, ["rush"]).targets("")
    assert target.events == target.offers > 10**6


async def test_the_clients_end_when_they_are_told_to_whatever_they_met() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        async with attacking(Plan(silent.getsockname()[1], ["stall"])) as attack:
            pass
    assert attack.over.done()
    assert attack.damage == Damage()


def test_a_hostile_client_is_judged_by_the_slow_answers_of_the_others() -> None:
    groups = {
        ALONE: Group([100.0] * 10, {}, 0, None, {}),
        "flood": Group([100.0] * 8 + [150.0] * 2, {}, 0, Damage(), {}),
        "rush": Group([], {}, 3, Damage(), {}),
    }
    report = Report(3, groups)
    assert report.ratio(ALONE) == 1
    assert report.ratio("flood") == pytest.approx(1.5)
    assert report.ratio("rush") is None
    assert report.as_data()["ratios"] == {ALONE: 1.0, "flood": pytest.approx(1.5), "rush": None}
