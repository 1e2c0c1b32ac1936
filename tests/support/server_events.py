"""Server events of the official types, and a scripted connection that a client under test reads them from."""

import asyncio
import base64
import json
from collections.abc import Iterable
from typing import Literal

from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionCompletedEvent,
    ConversationItemInputAudioTranscriptionDeltaEvent,
    InputAudioBufferCommittedEvent,
    InputAudioBufferSpeechStartedEvent,
    InputAudioBufferSpeechStoppedEvent,
    RealtimeClientEvent,
    RealtimeConversationItemAssistantMessage,
    RealtimeError,
    RealtimeErrorEvent,
    RealtimeResponse,
    RealtimeResponseStatus,
    ResponseAudioDeltaEvent,
    ResponseAudioDoneEvent,
    ResponseAudioTranscriptDeltaEvent,
    ResponseCreatedEvent,
    ResponseDoneEvent,
    ResponseOutputItemAddedEvent,
)
from openai.types.realtime.conversation_item_input_audio_transcription_completed_event import (
    UsageTranscriptTextUsageDuration,
)
from openai.types.realtime.realtime_conversation_item_assistant_message import Content
from openai.types.realtime.realtime_response_status import Error

from audio.pcm import Pcm
from audio.pcm16 import encode_pcm16
from audio.volume import Loudness
from realtime.protocol.extensions import PlaybackEvent, ThoughtsDeltaEvent
from realtime.protocol.parsing import ServerEvent
from realtime.terminal.client import Connection

Status = Literal["completed", "cancelled", "failed", "incomplete", "in_progress"]


def speech_started(item: str = "u1", at_ms: int = 0) -> ServerEvent:
    return InputAudioBufferSpeechStartedEvent(
        type="input_audio_buffer.speech_started", event_id="e", item_id=item, audio_start_ms=at_ms
    )


def speech_stopped(item: str = "u1") -> ServerEvent:
    return InputAudioBufferSpeechStoppedEvent(
        type="input_audio_buffer.speech_stopped", event_id="e", item_id=item, audio_end_ms=0
    )


def committed(item: str = "u1") -> ServerEvent:
    return InputAudioBufferCommittedEvent(type="input_audio_buffer.committed", event_id="e", item_id=item)


def transcript_delta(delta: str, item: str = "u1") -> ServerEvent:
    kind: Literal["conversation.item.input_audio_transcription.delta"]
    kind = "conversation.item.input_audio_transcription.delta"
    return ConversationItemInputAudioTranscriptionDeltaEvent(type=kind, event_id="e", item_id=item, delta=delta)


def transcript(words: str, item: str = "u1") -> ServerEvent:
    return ConversationItemInputAudioTranscriptionCompletedEvent(
        type="conversation.item.input_audio_transcription.completed",
        event_id="e",
        item_id=item,
        content_index=0,
        transcript=words,
        usage=UsageTranscriptTextUsageDuration(type="duration", seconds=1),
    )


def created(response: str = "r1") -> ServerEvent:
    return ResponseCreatedEvent(
        type="response.created", event_id="e", response=RealtimeResponse(id=response, status="in_progress")
    )


def message_added(item: str = "a1", response: str = "r1") -> ServerEvent:
    message = RealtimeConversationItemAssistantMessage(id=item, type="message", role="assistant", content=[])
    return ResponseOutputItemAddedEvent(
        type="response.output_item.added", event_id="e", response_id=response, output_index=0, item=message
    )


def words(delta: str, item: str = "a1", response: str = "r1") -> ServerEvent:
    return ResponseAudioTranscriptDeltaEvent(
        type="response.output_audio_transcript.delta",
        event_id="e",
        response_id=response,
        item_id=item,
        output_index=0,
        content_index=0,
        delta=delta,
    )


def audio(pcm: Pcm, item: str = "a1", response: str = "r1") -> ServerEvent:
    return ResponseAudioDeltaEvent(
        type="response.output_audio.delta",
        event_id="e",
        response_id=response,
        item_id=item,
        output_index=0,
        content_index=0,
        delta=base64.b64encode(encode_pcm16(pcm)).decode(),
    )


def audio_done(item: str = "a1", response: str = "r1") -> ServerEvent:
    return ResponseAudioDoneEvent(
        type="response.output_audio.done",
        event_id="e",
        response_id=response,
        item_id=item,
        output_index=0,
        content_index=0,
    )


def done(
    status: Status = "completed", said: str = "", response: str = "r1", failure: str = "", **metadata: object
) -> ResponseDoneEvent:
    """`metadata` as JSON: `timeline`, `thinking`. `failure`: the message of a response that failed."""
    message = RealtimeConversationItemAssistantMessage(
        type="message", role="assistant", content=[Content(type="output_audio", transcript=said)]
    )
    error = Error(type="server_error", code="response_failed", message=failure)
    return ResponseDoneEvent(
        type="response.done",
        event_id="e",
        response=RealtimeResponse(
            id=response,
            status=status,
            output=[message],
            metadata={name: json.dumps(value) for name, value in metadata.items()},
            status_details=RealtimeResponseStatus(type="failed", error=error) if failure else None,
        ),
    )


def error(message: str, code: str = "invalid_value") -> ServerEvent:
    problem = RealtimeError(type="invalid_request_error", code=code, message=message)
    return RealtimeErrorEvent(type="error", event_id="e", error=problem)


def playback(
    state: Loudness, item_id: str | None = None, words_ms: list[tuple[float, float]] | None = None
) -> ServerEvent:
    return PlaybackEvent(type="antiphon.playback", event_id="e", state=state, item_id=item_id, words_ms=words_ms)


def thoughts(delta: str, response: str = "r1") -> ServerEvent:
    return ThoughtsDeltaEvent(type="antiphon.thoughts.delta", event_id="e", response_id=response, delta=delta)


class ScriptedConnection(Connection):
    """Stands in for a server: returns `events` whatever it is sent, and `answer` once a response is asked for.

    `ends`: raises `TimeoutError` after the last event, instead of waiting for more.
    """

    def __init__(
        self, events: Iterable[ServerEvent] = (), answer: Iterable[ServerEvent] = (), ends: bool = False
    ) -> None:
        self.sent: list[str] = []
        """Types of the events that were sent."""
        self._answer = list(answer)
        self._ends = ends
        self._events: asyncio.Queue[ServerEvent] = asyncio.Queue()
        self._queue(events)

    async def send(self, event: RealtimeClientEvent) -> None:
        self.sent.append(event.type)
        if event.type == "response.create":
            self._queue(self._answer)

    async def receive(self) -> ServerEvent:
        if self._ends and self._events.empty():
            raise TimeoutError
        return await self._events.get()

    def _queue(self, events: Iterable[ServerEvent]) -> None:
        for event in events:
            self._events.put_nowait(event)
