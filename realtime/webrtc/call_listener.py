"""An agent's output on its way to one caller: audio to the voice track, everything else to the outbox."""

from openai.types.realtime.realtime_server_event import (
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
)

from audio.playback import Block
from pipeline.events import Event, ItemTruncated, OutputAudio, Playback, ResponseDone, Updated
from pipeline.runtime.ids import new_id
from realtime.sessions.outbox import Outbox
from realtime.webrtc.voice_output import VoiceOutput


class CallListener:
    """The `Listener` of one call. Audio that was sent counts as played."""

    def __init__(self, outbox: Outbox, output: VoiceOutput) -> None:
        self._outbox = outbox
        self._output = output
        self._done: dict[str, ResponseDone] = {}
        """Ends of answers of which nothing has been sent yet: `response.done` reports when the first packet left."""

    @property
    def follows(self) -> bool:
        return True

    def played(self, response_id: str) -> int:
        return self._output.played(response_id)

    def __len__(self) -> int:
        return len(self._outbox)

    async def ready(self) -> None:
        await self._output.ready()

    def emit(self, event: Event) -> None:
        match event:
            case Updated():
                self._output.change_rate(event.settings.output_rate)
            case OutputAudio():
                self._output.add(event)
            case Playback():
                if event.resumed is not None:
                    self._output.rewind(event.resumed.response_id, event.resumed.words)
                self._output.change_volume(event.state)
            case ResponseDone(status="cancelled"):
                self._cut(event.response_id)
            case ResponseDone():
                self._output.complete(event.response_id)
                if self._output.is_unheard(event.response_id):
                    self._done[event.response_id] = event
                    return
            case ItemTruncated():
                if (response_id := self._output.response_of(event.item_id)) is not None:
                    self._cut(response_id)
        self._outbox.emit(event)

    def hush(self) -> None:
        """Cut off every answer at once. (The agent carries out the `Hush` command itself.)"""
        for response_id in self._output.ids():
            self._cut(response_id)

    def report(self, block: Block) -> None:
        """Send the events for the answers that begin or end in a block that is being sent."""
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
        if self._output.cut(response_id):
            self._outbox.put(
                OutputAudioBufferCleared(
                    type="output_audio_buffer.cleared", event_id=new_id("event"), response_id=response_id
                )
            )
        self._finish(response_id)

    def _finish(self, response_id: str) -> None:
        if (done := self._done.pop(response_id, None)) is not None:
            self._outbox.emit(done)
