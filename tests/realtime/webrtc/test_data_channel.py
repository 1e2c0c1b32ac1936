import asyncio
import json
from typing import cast

import pytest
from aiortc import InvalidStateError, RTCDataChannel
from pyee.asyncio import AsyncIOEventEmitter

from realtime.webrtc.data_channel import Closed, DataChannel


class Wire(AsyncIOEventEmitter):
    """A data channel of aiortc's, without a peer."""

    def __init__(self, label: str = "oai-events", takes: int = 1000) -> None:
        super().__init__()
        self.label = label
        self.takes = takes
        self.sent: list[str] = []
        self.bufferedAmount = 0
        self.bufferedAmountLowThreshold = 0
        self.readyState = "open"

    def send(self, text: str) -> None:
        if self.readyState != "open":
            raise InvalidStateError
        if len(text) > self.takes:
            raise ValueError("Cannot send")
        self.sent.append(text)

    def close(self) -> None:
        self.readyState = "closed"
        self.emit("close")


def attached(wire: Wire) -> DataChannel:
    channel = DataChannel()
    channel.attach(cast(RTCDataChannel, wire))
    return channel


async def test_events_wait_for_the_channel_to_open() -> None:
    wire, channel = Wire(), DataChannel()
    sending = asyncio.create_task(channel.send("first"))
    await asyncio.sleep(0)
    channel.attach(cast(RTCDataChannel, Wire("chat")))
    assert not channel.is_open
    channel.attach(cast(RTCDataChannel, wire))
    await sending
    assert wire.sent == ["first"]


async def test_events_do_not_wait_for_a_channel_that_will_not_open() -> None:
    channel = DataChannel()
    channel.give_up()
    await channel.send("lost")
    assert not channel.is_open


async def test_while_too_much_is_unsent_the_next_event_waits() -> None:
    wire = Wire()
    channel = attached(wire)
    wire.bufferedAmount = 1_000_000
    sending = asyncio.create_task(channel.send("more"))
    await asyncio.sleep(0)
    assert wire.sent == []
    wire.bufferedAmount = 0
    wire.emit("bufferedamountlow")
    await sending
    assert wire.sent == ["more"]


async def test_an_event_that_the_client_cannot_take_is_named() -> None:
    wire = Wire(takes=300)
    await attached(wire).send("x" * 301)
    [error] = map(json.loads, wire.sent)
    assert error["error"]["code"] == "event_too_large"


async def test_messages_arrive_in_order_and_the_end_after_them() -> None:
    wire = Wire()
    channel = attached(wire)
    wire.emit("message", "one")
    wire.emit("message", b"two")
    wire.close()
    assert [await channel.receive(), await channel.receive()] == ["one", b"two"]
    with pytest.raises(Closed):
        await channel.receive()
    with pytest.raises(Closed):
        await channel.send("too late")


async def test_a_client_that_sends_more_than_is_read_is_cut_off() -> None:
    wire = Wire()
    channel = attached(wire)
    for _ in range(50):
        wire.emit("message", "x" * 100_000)
    with pytest.raises(Closed):
        await channel.receive()
