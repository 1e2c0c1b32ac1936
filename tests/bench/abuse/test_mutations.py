"""The attackers' events and offers: the same for the same seed, and of every kind."""

from random import Random

from bench.abuse.attackers import mutated_offer
from bench.abuse.mutations import VALID, mutated
from realtime.protocol.client_events import ADAPTERS
from realtime.protocol.session import Received
from tests.support.protocol_session import new_session

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"


def test_careful_events_of_every_type_are_accepted() -> None:
    session = new_session()
    assert {event["type"] for event in VALID} == set(ADAPTERS)
    for event in VALID:
        ADAPTERS[event["type"]].validate_python(event, extra="forbid")
    received: list[Received] = [session.receive(text) for text in mutated(Random(0), 2_000, 100_000)]
    accepted = sum(bool(one.commands) for one in received)
    assert 200 < accepted < 1_800


def test_the_same_seed_gives_the_same_attack() -> None:
    one, again, other = (list(mutated(Random(seed), 300, 10_000)) for seed in (1, 1, 2))
    assert one == again != other
    assert max(len(text.encode()) for text in one) <= 10_000
    offers = [[mutated_offer(OFFER, Random(seed)) for seed in range(100)] for _ in range(2)]
    assert offers[0] == offers[1]
    assert len(set(offers[0])) > 50
