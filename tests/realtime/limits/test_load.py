"""Admission by measured load, in virtual time, and over a socket."""

import json

from websockets.asyncio.client import ClientConnection

from pipeline.runtime.timeline import Timeline
from realtime.limits.load import LAG_WINDOW_S, PACKET_WINDOW_S, Load
from realtime.sessions.observer import Client
from tests.support.realtime_server import serving

CLIENT = Client("sess_1", "websocket", "192.0.2.1", "")


class Watched:
    """A load whose clock the test sets."""

    def __init__(self, longest_lag_s: float = 0.2, longest_first_packet_s: float = 2) -> None:
        self.now = 0.0
        self.load = Load(longest_lag_s, longest_first_packet_s, lambda: self.now)

    def lag(self, *seconds: float) -> None:
        for value in seconds:
            self.now += 0.1
            self.load.lagged(value)

    def answer(self, *seconds: float) -> None:
        for value in seconds:
            self.now += 1
            self.load.delivered(CLIENT, Timeline(speech_ended=100, first_packet=100 + value))


def test_a_loop_that_is_late_again_and_again_is_overload_and_once_is_not() -> None:
    once, often = Watched(), Watched()
    once.lag(0, 0, 5, 0, 0)
    assert once.load.overload() is None
    often.lag(*[0.4] * 5)
    assert often.load.overload() == "The server is busy: its event loop is 400 ms late."
    often.now += LAG_WINDOW_S
    assert often.load.overload() is None


def test_answers_that_begin_late_are_overload_until_a_minute_has_passed() -> None:
    watched = Watched(longest_first_packet_s=2)
    watched.answer(1, 1, 3)
    assert watched.load.overload() is None
    watched.answer(3, 3)
    assert watched.load.overload() == "The server is busy: answers begin after 3.0 s."
    watched.now += PACKET_WINDOW_S
    assert watched.load.overload() is None


def test_answers_to_text_and_a_limit_of_zero_say_nothing() -> None:
    watched = Watched(longest_first_packet_s=2)
    for _ in range(10):
        watched.load.delivered(CLIENT, Timeline(turn_decided=100, first_packet=109))
    assert watched.load.overload() is None
    unlimited = Watched(longest_lag_s=0, longest_first_packet_s=0)
    unlimited.lag(*[5] * 10)
    unlimited.answer(*[100] * 10)
    assert unlimited.load.overload() is None


async def first(client: ClientConnection) -> str:
    event = json.loads(await client.recv())
    return str(event["error"]["code"] if event["type"] == "error" else event["type"])


async def test_a_busy_server_keeps_the_sessions_that_it_has_and_takes_no_more() -> None:
    async with serving(max_sessions=9) as running:
        for _ in range(10):
            running.app.state.sessions.load.lagged(1)
        async with running.connect() as one:
            assert await first(one) == "session.created"  # it has none yet: somebody must find out whether it recovers
            async with running.connect() as other:
                assert await first(other) == "server_overloaded"
            await one.send('{"type":"response.create"}')
            while json.loads(await one.recv())["type"] != "response.done":
                pass
        assert running.app.state.refusals.counts() == {"server_overloaded": 1}
