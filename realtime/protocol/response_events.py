"""Server events of one response, in the order that stock clients rely on."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from openai.types.realtime import (
    RealtimeResponse,
    RealtimeResponseStatus,
    RealtimeResponseUsage,
    RealtimeResponseUsageInputTokenDetails,
    RealtimeResponseUsageOutputTokenDetails,
    RealtimeServerEvent,
    ResponseAudioDeltaEvent,
    ResponseAudioDoneEvent,
    ResponseAudioTranscriptDeltaEvent,
    ResponseAudioTranscriptDoneEvent,
    ResponseContentPartAddedEvent,
    ResponseContentPartDoneEvent,
    ResponseCreatedEvent,
    ResponseDoneEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionCallArgumentsDoneEvent,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
    realtime_response,
    realtime_response_status,
    realtime_response_usage_input_token_details,
    response_content_part_added_event,
    response_content_part_done_event,
)

from pipeline.conversation.items import FunctionCall, Message
from pipeline.events import (
    OutputAdded,
    OutputAudio,
    OutputDone,
    OutputText,
    ResponseDone,
    ResponseStarted,
    Usage,
)
from pipeline.runtime.ids import new_id
from pipeline.runtime.timeline import Timeline
from realtime.protocol.audio_format import AudioFormat
from realtime.protocol.item_codec import from_item
from realtime.protocol.session_config import wire_format


@dataclass
class ResponseReport:
    """Reports one response as server events. Its audio keeps the format that was in force when it started."""

    started: ResponseStarted
    output: AudioFormat
    conversation_id: str
    _parts: set[str] = field(default_factory=set)
    """Items whose content part has been announced."""

    def created(self) -> RealtimeServerEvent:
        response = self._resource(self.started.metadata)
        return ResponseCreatedEvent(
            type="response.created",
            event_id=new_id("event"),
            response=response.model_copy(
                update={"status": "in_progress", "status_details": None, "output": [], "usage": None}
            ),
        )

    def added(self, event: OutputAdded) -> RealtimeServerEvent:
        return ResponseOutputItemAddedEvent(
            type="response.output_item.added",
            event_id=new_id("event"),
            response_id=event.response_id,
            output_index=event.index,
            item=from_item(event.item),
        )

    def text(self, event: OutputText) -> list[RealtimeServerEvent]:
        delta: RealtimeServerEvent
        if self.started.modality == "text":
            delta = ResponseTextDeltaEvent(
                type="response.output_text.delta",
                event_id=new_id("event"),
                response_id=event.response_id,
                item_id=event.item_id,
                output_index=event.index,
                content_index=0,
                delta=event.delta,
            )
        else:
            delta = ResponseAudioTranscriptDeltaEvent(
                type="response.output_audio_transcript.delta",
                event_id=new_id("event"),
                response_id=event.response_id,
                item_id=event.item_id,
                output_index=event.index,
                content_index=0,
                delta=event.delta,
            )
        return [*self._begin_part(event.item_id, event.index), delta]

    def audio(self, event: OutputAudio) -> list[RealtimeServerEvent]:
        delta = ResponseAudioDeltaEvent(
            type="response.output_audio.delta",
            event_id=new_id("event"),
            response_id=event.response_id,
            item_id=event.item_id,
            output_index=event.index,
            content_index=0,
            delta=base64.b64encode(self.output.encode(event.pcm)).decode(),
        )
        return [*self._begin_part(event.item_id, event.index), delta]

    def item_done(self, event: OutputDone) -> list[RealtimeServerEvent]:
        ended: list[RealtimeServerEvent] = []
        match event.item:
            case FunctionCall():
                ended = self._call_done(event.item, event.index)
            case Message():
                begun = self._begin_part(event.item.id, event.index)
                ended = [*begun, *self._part_done(event.item, event.index)]
        done = ResponseOutputItemDoneEvent(
            type="response.output_item.done",
            event_id=new_id("event"),
            response_id=event.response_id,
            output_index=event.index,
            item=from_item(event.item),
        )
        return [*ended, done]

    def done(self, event: ResponseDone) -> RealtimeServerEvent:
        response = self._resource(event.metadata)
        return ResponseDoneEvent(
            type="response.done",
            event_id=new_id("event"),
            response=response.model_copy(
                update={
                    "status": event.status,
                    "status_details": _status_details(event),
                    "output": [from_item(item) for item in event.outputs],
                    "usage": _usage(event.usage),
                }
            ),
        )

    def _resource(self, metadata: Mapping[str, str]) -> RealtimeResponse:
        started = self.started
        output = realtime_response.AudioOutput(format=wire_format(self.output), voice=started.voice)
        return RealtimeResponse(
            id=started.response_id,
            object="realtime.response",
            conversation_id=self.conversation_id if started.into_conversation else None,
            output_modalities=[started.modality],
            max_output_tokens=started.max_output_tokens or "inf",
            audio=realtime_response.Audio(output=output),
            metadata=dict(metadata) or None,
        )

    def _begin_part(self, item_id: str, index: int) -> list[RealtimeServerEvent]:
        if item_id in self._parts:
            return []
        self._parts.add(item_id)
        part = (
            response_content_part_added_event.Part(type="text", text="")
            if self.started.modality == "text"
            else response_content_part_added_event.Part(type="audio", transcript="")
        )
        return [
            ResponseContentPartAddedEvent(
                type="response.content_part.added",
                event_id=new_id("event"),
                response_id=self.started.response_id,
                item_id=item_id,
                output_index=index,
                content_index=0,
                part=part,
            )
        ]

    def _part_done(self, item: Message, index: int) -> list[RealtimeServerEvent]:
        response_id, text = self.started.response_id, item.text or ""
        part = ResponseContentPartDoneEvent(
            type="response.content_part.done",
            event_id=new_id("event"),
            response_id=response_id,
            item_id=item.id,
            output_index=index,
            content_index=0,
            part=(
                response_content_part_done_event.Part(type="text", text=text)
                if self.started.modality == "text"
                else response_content_part_done_event.Part(type="audio", transcript=text)
            ),
        )
        if self.started.modality == "text":
            written = ResponseTextDoneEvent(
                type="response.output_text.done",
                event_id=new_id("event"),
                response_id=response_id,
                item_id=item.id,
                output_index=index,
                content_index=0,
                text=text,
            )
            return [written, part]
        audio = ResponseAudioDoneEvent(
            type="response.output_audio.done",
            event_id=new_id("event"),
            response_id=response_id,
            item_id=item.id,
            output_index=index,
            content_index=0,
        )
        transcript = ResponseAudioTranscriptDoneEvent(
            type="response.output_audio_transcript.done",
            event_id=new_id("event"),
            response_id=response_id,
            item_id=item.id,
            output_index=index,
            content_index=0,
            transcript=text,
        )
        return [audio, transcript, part]

    def _call_done(self, call: FunctionCall, index: int) -> list[RealtimeServerEvent]:
        """Events of a finished function call. Decoders return whole calls, so there is one delta."""
        delta = ResponseFunctionCallArgumentsDeltaEvent(
            type="response.function_call_arguments.delta",
            event_id=new_id("event"),
            response_id=self.started.response_id,
            item_id=call.id,
            output_index=index,
            call_id=call.call_id,
            delta=call.arguments,
        )
        done = ResponseFunctionCallArgumentsDoneEvent(
            type="response.function_call_arguments.done",
            event_id=new_id("event"),
            response_id=self.started.response_id,
            item_id=call.id,
            output_index=index,
            call_id=call.call_id,
            name=call.name,
            arguments=call.arguments,
        )
        return [delta, done]


def timeline_json(timeline: Timeline) -> str:
    """JSON with the milliseconds from the end of speech to each stage that was reached; at most 512 characters."""
    stages = {stage: round(seconds * 1000, 1) for stage, seconds in timeline.since_speech_ended().items()}
    return json.dumps(stages, separators=(",", ":"))


def thinking_json(timeline: Timeline) -> str:
    """JSON with the number of thought tokens, those before the first word, and the seconds of thinking."""
    figures = {
        "tokens": timeline.thought_tokens,
        "before_speech": timeline.thoughts_before_speech,
        "seconds": None if timeline.thought_s is None else round(timeline.thought_s, 3),
    }
    return json.dumps(figures, separators=(",", ":"))


def _status_details(event: ResponseDone) -> RealtimeResponseStatus | None:
    if event.status == "completed":
        return None
    details = RealtimeResponseStatus(type=event.status)
    if event.reason is not None:
        details.reason = event.reason
    if event.error is not None:
        code = event.code or "response_failed"
        details.error = realtime_response_status.Error(type="server_error", code=code, message=event.error)
    return details


def _usage(usage: Usage) -> RealtimeResponseUsage:
    """Token counts for the protocol. All tokens are text, because speech goes in and out as words."""
    return RealtimeResponseUsage(
        total_tokens=usage.input_tokens + usage.output_tokens,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        input_token_details=RealtimeResponseUsageInputTokenDetails(
            text_tokens=usage.input_tokens,
            audio_tokens=0,
            image_tokens=0,
            cached_tokens=usage.cached_tokens,
            cached_tokens_details=realtime_response_usage_input_token_details.CachedTokensDetails(
                text_tokens=usage.cached_tokens, audio_tokens=0, image_tokens=0
            ),
        ),
        output_token_details=RealtimeResponseUsageOutputTokenDetails(text_tokens=usage.output_tokens, audio_tokens=0),
    )
