import json
from typing import Literal

import numpy as np

from pipeline import events as on
from pipeline.conversation.items import Message
from pipeline.runtime.timeline import Timeline
from realtime.protocol.extensions import Extensions
from realtime.protocol.session import Session
from realtime.protocol.session_config import Offer
from realtime.sessions.outbox import Outbox
from realtime.webrtc.call_listener import CallListener
from realtime.webrtc.voice_output import VoiceOutput
from tests.support.realtime_server import SETTINGS

SAID = Message("item_1", "assistant", "Hi.", spoken=True)


class Wire:
    """A call's listener, and the events that its client has received."""

    def __init__(self) -> None:
        offer = Offer(SETTINGS, ("joe",), "whisper-tiny.en", "en")
        session = Session(offer, "m", max_event_bytes=1000, extensions=Extensions(timeline=True), by_track=True)
        self.output = VoiceOutput(SETTINGS.output_rate)
        self.outbox = Outbox(session)
        self.listener = CallListener(self.outbox, self.output)
        self.timeline = Timeline()
        self.timeline.stamp("turn_decided")

    def speak(self, samples: int = 24_000) -> None:
        self.listener.emit(on.ResponseStarted("resp_1", "audio", "joe", None, True, {}))
        self.listener.emit(on.OutputAdded("resp_1", 0, Message("item_1", "assistant", "", True, "in_progress")))
        sound = np.ones(samples, np.float32)
        self.listener.emit(on.OutputAudio("resp_1", 0, "item_1", sound, self.timeline))

    def finish(self, status: Literal["completed", "cancelled"] = "completed") -> None:
        self.listener.emit(on.ResponseDone("resp_1", status, None, None, (SAID,), on.Usage(), self.timeline))

    def block(self) -> None:
        block = self.output.next_block()
        self.listener.report(block)

    async def received(self) -> list[str]:
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
    wire.listener.emit(on.Playback("paused"))
    wire.finish()
    wire.block()
    assert "response.done" not in await wire.received()
    wire.listener.emit(on.Playback("full"))
    wire.block()
    assert await wire.received() == ["output_audio_buffer.started", "response.done", "turn_decided", "first_packet"]
    assert wire.listener.played("resp_1") == 480


async def test_an_answer_goes_on_at_the_beginning_of_a_word() -> None:
    wire = Wire()
    wire.speak()
    wire.block()
    wire.block()
    wire.listener.emit(on.Playback("paused"))
    wire.block()
    wire.listener.emit(on.Playback("full", on.ResumedAnswer("resp_1", "item_1", 24_000, ((600, 1_500),))))
    assert wire.listener.played("resp_1") == 600


async def test_the_end_of_a_response_waits_for_no_packet_that_is_sent_again() -> None:
    wire = Wire()
    wire.speak()
    wire.block()
    wire.listener.emit(on.Playback("paused"))
    wire.block()
    wire.listener.emit(on.Playback("full", on.ResumedAnswer("resp_1", "item_1", 24_000, ((0, 1_500),))))
    await wire.received()
    wire.finish()
    assert await wire.received() == ["response.done", "turn_decided", "first_packet"]


async def test_an_answer_that_is_cancelled_unheard_ends_without_a_sound() -> None:
    wire = Wire()
    wire.speak()
    await wire.received()
    wire.finish("cancelled")
    wire.block()
    assert await wire.received() == ["response.done", "turn_decided"]
    assert wire.listener.played("resp_1") == 0


async def test_an_answer_that_is_truncated_before_its_first_packet_is_told_to_be_done() -> None:
    wire = Wire()
    wire.speak()
    wire.finish()
    await wire.received()
    wire.listener.emit(on.ItemTruncated("item_1", 0.0))
    assert await wire.received() == ["response.done", "turn_decided", "conversation.item.truncated"]


async def test_a_sounding_answer_that_is_cancelled_is_cleared() -> None:
    wire = Wire()
    wire.speak()
    wire.block()
    await wire.received()
    wire.finish("cancelled")
    wire.block()
    assert await wire.received() == ["output_audio_buffer.cleared", "response.done", "turn_decided", "first_packet"]


async def test_an_answer_without_sound_is_done_at_once() -> None:
    wire = Wire()
    wire.listener.emit(on.ResponseStarted("resp_1", "text", "joe", None, True, {}))
    wire.finish()
    assert await wire.received() == ["response.created", "response.done", "turn_decided"]


async def test_sound_that_is_sent_to_its_end_is_stopped() -> None:
    wire = Wire()
    wire.speak(samples=500)
    wire.block()
    wire.finish()
    await wire.received()
    wire.block()
    assert await wire.received() == ["output_audio_buffer.stopped"]
