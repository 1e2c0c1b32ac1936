import json
from typing import Literal

import numpy as np

from pipeline import events as on
from pipeline.items import Message
from pipeline.timeline import Timeline
from realtime.describe import Offer
from realtime.extensions import Extensions
from realtime.line import Line
from realtime.outbox import Outbox
from realtime.outgoing import Outgoing
from realtime.session import Session
from tests.realtime.test_websocket import SETTINGS

SAID = Message("item_1", "assistant", "Hi.", spoken=True)


class Wire:
    """A line, and what its client has been told by the time it is asked."""

    def __init__(self) -> None:
        offer = Offer(SETTINGS, ("joe",), "whisper-tiny.en", "en")
        session = Session(offer, "m", max_event_bytes=1000, extensions=Extensions(timeline=True), by_track=True)
        self.outgoing = Outgoing(SETTINGS.output_rate)
        self.outbox = Outbox(session)
        self.line = Line(self.outbox, self.outgoing)
        self.timeline = Timeline()
        self.timeline.stamp("turn_decided")

    def speak(self, samples: int = 24_000) -> None:
        self.line.emit(on.ResponseStarted("resp_1", "audio", "joe", None, True, {}))
        self.line.emit(on.OutputAdded("resp_1", 0, Message("item_1", "assistant", "", True, "in_progress")))
        sound = np.ones(samples, np.float32)
        self.line.emit(on.OutputAudio("resp_1", 0, "item_1", sound, self.timeline))

    def finish(self, status: Literal["completed", "cancelled"] = "completed") -> None:
        self.line.emit(on.ResponseDone("resp_1", status, None, None, (SAID,), on.Usage(), self.timeline))

    def block(self) -> None:
        block = self.outgoing.next_block()
        self.line.tell(block)

    async def told(self) -> list[str]:
        """Types of the last events; of `response.done` the stages that its timeline has, too."""
        kinds: list[str] = []

        async def take(text: str) -> None:
            event = json.loads(text)
            kinds.append(event["type"])
            if event["type"] == "response.done":
                kinds.extend(json.loads(event["response"]["metadata"]["timeline"]))

        while self.outbox:
            await self.outbox.send(take, 1)
        return kinds


async def test_the_end_of_a_response_waits_for_its_first_packet() -> None:
    wire = Wire()
    wire.speak()
    wire.line.emit(on.Playback("paused"))
    wire.finish()
    wire.block()
    assert "response.done" not in await wire.told()
    wire.line.emit(on.Playback("full"))
    wire.block()
    assert await wire.told() == ["output_audio_buffer.started", "response.done", "turn_decided", "first_packet"]
    assert wire.line.played("resp_1") == 480


async def test_an_answer_that_is_cancelled_unheard_ends_without_a_sound() -> None:
    wire = Wire()
    wire.speak()
    await wire.told()
    wire.finish("cancelled")
    wire.block()
    assert await wire.told() == ["response.done", "turn_decided"]
    assert wire.line.played("resp_1") == 0


async def test_an_answer_that_is_truncated_before_its_first_packet_is_told_to_be_done() -> None:
    wire = Wire()
    wire.speak()
    wire.finish()
    await wire.told()
    wire.line.emit(on.ItemTruncated("item_1", 0.0))
    assert await wire.told() == ["response.done", "turn_decided", "conversation.item.truncated"]


async def test_a_sounding_answer_that_is_cancelled_is_cleared() -> None:
    wire = Wire()
    wire.speak()
    wire.block()
    await wire.told()
    wire.finish("cancelled")
    wire.block()
    assert await wire.told() == ["output_audio_buffer.cleared", "response.done", "turn_decided", "first_packet"]


async def test_an_answer_without_sound_is_done_at_once() -> None:
    wire = Wire()
    wire.line.emit(on.ResponseStarted("resp_1", "text", "joe", None, True, {}))
    wire.finish()
    assert await wire.told() == ["response.created", "response.done", "turn_decided"]


async def test_sound_that_is_sent_to_its_end_is_stopped() -> None:
    wire = Wire()
    wire.speak(samples=500)
    wire.block()
    wire.finish()
    await wire.told()
    wire.block()
    assert await wire.told() == ["output_audio_buffer.stopped"]
