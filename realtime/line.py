"""What an agent says, on its way to the listener of a call: the sound by its track, all else as events."""

from openai.types.realtime.realtime_server_event import (
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
)

from pipeline.events import Event, ItemTruncated, OutputAudio, Playback, ResponseDone, Updated
from pipeline.ids import new_id
from realtime.outbox import Outbox
from realtime.outgoing import Block, Outgoing


class Line:
    """The `Listener` of one call. What was sent is what was heard."""

    def __init__(self, outbox: Outbox, outgoing: Outgoing) -> None:
        self._outbox = outbox
        self._outgoing = outgoing
        self._done: dict[str, ResponseDone] = {}
        """The ends of answers of which nothing has been heard yet. They tell when their first packet left."""

    @property
    def follows(self) -> bool:
        return True

    def played(self, response_id: str) -> int:
        return self._outgoing.played(response_id)

    async def ready(self) -> None:
        await self._outgoing.ready()

    def emit(self, event: Event) -> None:
        match event:
            case Updated():
                self._outgoing.rate = event.settings.output_rate
            case OutputAudio():
                self._outgoing.add(event)
            case Playback():
                self._outgoing.play(event.state)
            case ResponseDone(status="cancelled"):
                self._cut(event.response_id)
            case ResponseDone():
                self._outgoing.complete(event.response_id)
                if self._outgoing.unheard(event.response_id):
                    self._done[event.response_id] = event
                    return
            case ItemTruncated():
                if (response_id := self._outgoing.saying(event.item_id)) is not None:
                    self._cut(response_id)
        self._outbox.emit(event)

    def hush(self) -> None:
        """Fall silent at once; the agent learns of it as well."""
        for response_id in self._outgoing.all():
            self._cut(response_id)

    def tell(self, block: Block) -> None:
        """A block in which answers begin or end is on its way."""
        for response_id in block.began:
            self._outbox.put(
                OutputAudioBufferStarted(
                    type="output_audio_buffer.started", event_id=new_id("event"), response_id=response_id
                )
            )
            self._finish(response_id)
        for response_id in block.ended:
            self._outbox.put(
                OutputAudioBufferStopped(
                    type="output_audio_buffer.stopped", event_id=new_id("event"), response_id=response_id
                )
            )

    def _cut(self, response_id: str) -> None:
        if self._outgoing.cut(response_id):
            self._outbox.put(
                OutputAudioBufferCleared(
                    type="output_audio_buffer.cleared", event_id=new_id("event"), response_id=response_id
                )
            )
        self._finish(response_id)

    def _finish(self, response_id: str) -> None:
        if (done := self._done.pop(response_id, None)) is not None:
            self._outbox.emit(done)
