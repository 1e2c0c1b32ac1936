"""What a client sends is counted before the agent has it."""

import numpy as np

from pipeline.commands import AddItem, Audio, Clear, Command, Commit, Respond, Silence
from pipeline.conversation.items import Message
from pipeline.runtime.fair_shares import FairShares
from realtime.limits.pace import Pace, PaceLimits
from realtime.protocol.extensions import Extensions
from realtime.protocol.session import Session
from realtime.protocol.session_config import Offer
from realtime.sessions.client_events import ClientEvents
from realtime.sessions.outbox import Outbox
from tests.support.realtime_server import SETTINGS, ScriptedAgent


class Counting(Pace):
    def __init__(self) -> None:
        super().__init__(PaceLimits(), 1_000, 0, FairShares(1))
        self.counted: list[object] = []

    def event(self, length: int, now: float) -> float:
        self.counted.append(length)
        return super().event(length, now)

    def audio(self, seconds: float, now: float) -> float:
        self.counted.append(seconds)
        return super().audio(seconds, now)

    def answer(self, now: float) -> float:
        self.counted.append("answer")
        return super().answer(now)

    def worked(self, seconds: float, now: float) -> None:
        assert seconds >= 0
        self.counted.append("work")
        super().worked(seconds, now)


def carrying(pace: Pace, before: list[Command]) -> tuple[ClientEvents, ScriptedAgent]:
    offer = Offer(SETTINGS, ("joe",), "whisper-tiny.en", "en")
    session = Session(offer, "antiphon", max_event_bytes=10_000, extensions=Extensions.of({}))
    outbox = Outbox(session)
    agent = ScriptedAgent(SETTINGS, outbox)
    return ClientEvents(session, agent, outbox, pace, before.append), agent


async def test_an_event_counts_with_its_length_its_work_and_what_it_asks_for() -> None:
    pace, before = Counting(), list[Command]()
    events, agent = carrying(pace, before)
    text = '{"type":"response.create"}'
    await events.carry_out(text)
    assert pace.counted == [len(text), "work", "answer", "work"]
    assert isinstance(agent.inbox.get_nowait(), Respond)
    assert len(before) == 1


async def test_audio_counts_whatever_carries_it_and_silence_that_stands_in_does_not() -> None:
    pace, before = Counting(), list[Command]()
    events, agent = carrying(pace, before)
    clip = AddItem(Message("item_a", "user", None), audio=np.zeros(16_000, np.float32))
    text = AddItem(Message("item_b", "user", "Hello."))
    for command in (Audio(np.zeros(8_000, np.float32)), Silence(8_000), Clear(), Commit(), clip, text):
        await events.do(command)
        assert agent.inbox.get_nowait() is command
    assert pace.counted == [0.5, "answer", 1.0, "answer"]
    assert len(before) == 6
