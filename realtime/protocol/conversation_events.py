"""Server events for input audio, items and transcripts: everything outside responses."""

from openai.types.realtime import (
    ConversationItemAdded,
    ConversationItemDeletedEvent,
    ConversationItemDone,
    ConversationItemInputAudioTranscriptionCompletedEvent,
    ConversationItemInputAudioTranscriptionDeltaEvent,
    ConversationItemInputAudioTranscriptionFailedEvent,
    ConversationItemTruncatedEvent,
    InputAudioBufferClearedEvent,
    InputAudioBufferCommittedEvent,
    InputAudioBufferSpeechStartedEvent,
    InputAudioBufferSpeechStoppedEvent,
    InputAudioBufferTimeoutTriggered,
    RealtimeServerEvent,
)
from openai.types.realtime import (
    conversation_item_input_audio_transcription_completed_event as completed,
)
from openai.types.realtime import (
    conversation_item_input_audio_transcription_failed_event as failed,
)
from openai.types.realtime.realtime_server_event import ConversationItemRetrieved

from audio.pcm import INPUT_RATE
from pipeline.events import (
    Cleared,
    Committed,
    IdleTimeout,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TranscriptionFailed,
)
from pipeline.runtime.ids import new_id
from realtime.protocol.item_codec import from_item


def report_item(
    event: ItemAdded | ItemDone | ItemRetrieved | ItemDeleted | ItemTruncated,
) -> RealtimeServerEvent:
    event_id = new_id("event")
    match event:
        case ItemAdded():
            return ConversationItemAdded(
                type="conversation.item.added",
                event_id=event_id,
                previous_item_id=event.after,
                item=from_item(event.item),
            )
        case ItemDone():
            return ConversationItemDone(
                type="conversation.item.done",
                event_id=event_id,
                previous_item_id=event.after,
                item=from_item(event.item),
            )
        case ItemRetrieved():
            return ConversationItemRetrieved(
                type="conversation.item.retrieved", event_id=event_id, item=from_item(event.item)
            )
        case ItemDeleted():
            return ConversationItemDeletedEvent(
                type="conversation.item.deleted", event_id=event_id, item_id=event.item_id
            )
        case ItemTruncated():
            return ConversationItemTruncatedEvent(
                type="conversation.item.truncated",
                event_id=event_id,
                item_id=event.item_id,
                content_index=0,
                audio_end_ms=round(event.heard_s * 1000),
            )


def report_transcription(event: Transcribed | TranscriptionFailed) -> list[RealtimeServerEvent]:
    if isinstance(event, TranscriptionFailed):
        return [
            ConversationItemInputAudioTranscriptionFailedEvent(
                type="conversation.item.input_audio_transcription.failed",
                event_id=new_id("event"),
                item_id=event.item_id,
                content_index=0,
                error=failed.Error(type="server_error", code="transcription_failed", message=event.message),
            )
        ]
    events: list[RealtimeServerEvent] = []
    if event.delta:
        events.append(
            ConversationItemInputAudioTranscriptionDeltaEvent(
                type="conversation.item.input_audio_transcription.delta",
                event_id=new_id("event"),
                item_id=event.item_id,
                content_index=0,
                delta=event.delta,
            )
        )
    if event.final is not None:
        events.append(
            ConversationItemInputAudioTranscriptionCompletedEvent(
                type="conversation.item.input_audio_transcription.completed",
                event_id=new_id("event"),
                item_id=event.item_id,
                content_index=0,
                transcript=event.final,
                usage=completed.UsageTranscriptTextUsageDuration(type="duration", seconds=event.seconds),
            )
        )
    return events


def report_input(
    event: SpeechStarted | SpeechStopped | IdleTimeout | Committed | Cleared,
) -> RealtimeServerEvent:
    event_id = new_id("event")
    match event:
        case SpeechStarted():
            return InputAudioBufferSpeechStartedEvent(
                type="input_audio_buffer.speech_started",
                event_id=event_id,
                item_id=event.item_id,
                audio_start_ms=_ms(event.at),
            )
        case SpeechStopped():
            return InputAudioBufferSpeechStoppedEvent(
                type="input_audio_buffer.speech_stopped",
                event_id=event_id,
                item_id=event.item_id,
                audio_end_ms=_ms(event.at),
            )
        case IdleTimeout():
            return InputAudioBufferTimeoutTriggered(
                type="input_audio_buffer.timeout_triggered",
                event_id=event_id,
                item_id=event.item_id,
                audio_start_ms=_ms(event.start),
                audio_end_ms=_ms(event.end),
            )
        case Committed():
            return InputAudioBufferCommittedEvent(
                type="input_audio_buffer.committed",
                event_id=event_id,
                item_id=event.item_id,
                previous_item_id=event.after,
            )
        case Cleared():
            return InputAudioBufferClearedEvent(type="input_audio_buffer.cleared", event_id=event_id)


def _ms(samples: int) -> int:
    return samples * 1000 // INPUT_RATE
