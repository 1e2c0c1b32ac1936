"""How many replicas there should be, and how soon the answers of one began."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline.runtime.timeline import Timeline
from realtime.cluster.autoscaling import CONVERSATIONS, FIRST_PACKET_S, ByConversations
from realtime.cluster.first_packets import FirstPackets
from realtime.sessions.observer import Client


@dataclass
class Context:
    current_num_replicas: int
    aggregated_metrics: dict[str, dict[Any, float]] | None = field(default=None)


@pytest.mark.parametrize(
    ("now", "held", "slow", "wanted"),
    [
        (2, [4, 4], [0.8, 0.7], 2),
        (2, [5, 4], [0.8, 0.7], 3),
        (3, [1, 1, 1], [0.8, 0.0, 0.0], 1),
        (3, [1, 1, 1], [1.6, 0.0, 0.0], 4),
        (1, [12], [1.6], 3),
        (1, [], [], 0),
    ],
)
def test_replicas_follow_conversations_and_late_answers(
    now: int, held: list[float], slow: list[float], wanted: int
) -> None:
    metrics = {CONVERSATIONS: dict(enumerate(held)), FIRST_PACKET_S: dict(enumerate(slow))}
    assert ByConversations(conversations=4, first_packet_s=1.5)(Context(now, metrics)) == (wanted, {})


def test_without_reports_nobody_is_there() -> None:
    assert ByConversations(conversations=4, first_packet_s=1.5)(Context(1)) == (0, {})


CLIENT = Client("sess_1", "websocket", "127.0.0.1", "")


def waited(seconds: float | None) -> Timeline:
    return Timeline(speech_ended=10.0, first_packet=None if seconds is None else 10 + seconds)


def test_nine_of_ten_answers_began_by_then() -> None:
    packets = FirstPackets(lambda: 0.0)
    for tenths in range(11):
        packets.delivered(CLIENT, waited(tenths / 10))
    packets.delivered(CLIENT, waited(None))
    assert packets.slow_s == pytest.approx(0.9)


def test_old_answers_say_nothing_about_now() -> None:
    now = 0.0
    packets = FirstPackets(lambda: now)
    assert packets.slow_s == 0
    packets.delivered(CLIENT, waited(5.0))
    assert packets.slow_s == 5
    now = 61.0
    assert packets.slow_s == 0
