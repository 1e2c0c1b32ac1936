"""The Realtime protocol's side of a conversation: client events in, commands and server events out."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from openai.types.realtime import (
    ConversationItemCreateEvent,
    ConversationItemDeleteEvent,
    ConversationItemRetrieveEvent,
    ConversationItemTruncateEvent,
    InputAudioBufferAppendEvent,
    InputAudioBufferClearEvent,
    InputAudioBufferCommitEvent,
    OutputAudioBufferClearEvent,
    RealtimeClientEvent,
    RealtimeResponseCreateParams,
    RealtimeSessionCreateRequest,
    ResponseCancelEvent,
    ResponseCreateEvent,
    ResponseDoneEvent,
    SessionCreatedEvent,
    SessionUpdatedEvent,
    SessionUpdateEvent,
)

from pipeline.commands import (
    AddItem,
    Audio,
    Cancel,
    Clear,
    Command,
    Commit,
    DeleteItem,
    Hush,
    Respond,
    RetrieveItem,
    SessionSettings,
    TruncateItem,
    Update,
)
from pipeline.events import (
    Cleared,
    Committed,
    Event,
    IdleTimeout,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    OutputAdded,
    OutputAudio,
    OutputDone,
    OutputText,
    Playback,
    Refused,
    ResponseDone,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    Thoughts,
    Transcribed,
    TranscriptionFailed,
    Updated,
)
from pipeline.ids import new_id
from pipeline.items import Item
from pipeline.timeline import Timeline
from realtime import describe
from realtime.codec import InputDecoder
from realtime.content import decode_base64, to_item
from realtime.describe import Merge, Offer, first_config, session_object
from realtime.extensions import Extensions, OutputAudioEvent, PlaybackEvent, ThoughtsDeltaEvent
from realtime.reports import report_input, report_item, report_transcription
from realtime.responses import ResponseReport, thinking_json, timeline_json
from realtime.wire import Invalid, ServerEvent, error_event, parse

_SHORTEST_COMMIT_MS = 100
_LONGEST_ANSWER_MS = 24 * 3600 * 1000
_TICKS_PER_MS = 48
"""A sample of any of the wire's rates is a whole number of these."""


class Received(NamedTuple):
    """What a client event comes to: commands for the agent, and what the client is told at once."""

    commands: tuple[Command, ...] = ()
    events: tuple[ServerEvent, ...] = ()


class Session:
    """One client's session.

    `model` is the client's name for us. An event of more than `max_event_bytes` is refused unread. With `by_track`,
    sound goes both ways beside the events, and the answer's is ours to stop.
    """

    def __init__(
        self,
        offer: Offer,
        model: str,
        *,
        max_event_bytes: int,
        extensions: Extensions = Extensions(),  # noqa: B008 - a value, as immutable as a number
        by_track: bool = False,
    ) -> None:
        self.id = new_id("sess")
        self.extensions = extensions
        self._offer = offer
        self._by_track = by_track
        self._max_event_bytes = max_event_bytes
        self._conversation_id = new_id("conv")
        self._config = first_config(offer, model)
        """As the client last asked for it: what its next events are read by."""
        self._in_force = self._config
        """As the agent last confirmed it."""
        self._asked: deque[describe.Config] = deque()
        self._decoder = InputDecoder(self._config.input)
        self._uncommitted_ticks = 0
        """Length of what was appended since the last commit or clear."""
        self._responses: dict[str, ResponseReport] = {}
        self._has_spoken = False

    @property
    def settings(self) -> SessionSettings:
        """As the client last asked for them."""
        return self._config.settings

    def open(self) -> Sequence[ServerEvent]:
        session = session_object(self._in_force, self.id, self._offer.thinks)
        return [SessionCreatedEvent(type="session.created", event_id=new_id("event"), session=session)]

    def receive(self, raw: str | bytes) -> Received:
        """Never raises: what can't be carried out becomes an `error` event."""
        if len(raw) > self._max_event_bytes:
            message = f"The event is {len(raw)} bytes long; at most {self._max_event_bytes} are taken."
            return Received(events=(error_event("event_too_large", message),))
        event_id = None
        try:
            event = parse(raw)
            event_id = event.event_id
            return self._carry_out(event)
        except Invalid as error:
            problem = error_event(error.code, error.message, error.param, error.event_id or event_id)
            return Received(events=(problem,))

    def report(self, event: Event) -> Sequence[ServerEvent]:
        """What the client is told of something that happened in the agent."""
        match event:
            case ResponseStarted() | OutputAdded() | OutputText() | OutputAudio() | OutputDone() | ResponseDone():
                return self._report_response(event)
            case ItemAdded() | ItemDone() | ItemRetrieved() | ItemDeleted() | ItemTruncated():
                return [report_item(event)]
            case Transcribed() | TranscriptionFailed():
                return report_transcription(event)
            case Updated():
                self._take_force(self._asked.popleft() if self._asked else self._in_force, event.settings)
                session = session_object(self._in_force, self.id, self._offer.thinks)
                return [SessionUpdatedEvent(type="session.updated", event_id=new_id("event"), session=session)]
            case Thoughts():
                if not self.extensions.thoughts:
                    return []
                delta = ThoughtsDeltaEvent(
                    type="antiphon.thoughts.delta",
                    event_id=new_id("event"),
                    response_id=event.response_id,
                    delta=event.delta,
                )
                return [delta]
            case Playback():
                if not self.extensions.playback:
                    return []
                return [PlaybackEvent(type="antiphon.playback", event_id=new_id("event"), state=event.state)]
            case Refused():
                return [error_event(event.code, event.message, event.param, event.event_id)]
            case SpeechStarted() | SpeechStopped() | IdleTimeout() | Committed() | Cleared():
                return [report_input(event)]

    def seal(self, event: ResponseDoneEvent, timeline: Timeline) -> ResponseDoneEvent:
        """Add the turn's time stamps, if the client asked for them."""
        if not self.extensions.timeline:
            return event
        metadata = (event.response.metadata or {}) | {"timeline": timeline_json(timeline)}
        if timeline.thought_tokens is not None:
            metadata |= {"thinking": thinking_json(timeline)}
        response = event.response.model_copy(update={"metadata": metadata})
        return event.model_copy(update={"response": response})

    def _carry_out(self, event: RealtimeClientEvent) -> Received:
        match event:
            case InputAudioBufferAppendEvent():
                return self._append(event)
            case InputAudioBufferCommitEvent():
                return self._commit(event)
            case InputAudioBufferClearEvent():
                self._uncommitted_ticks = 0
                return Received((Clear(),))
            case SessionUpdateEvent():
                return self._update(event)
            case ConversationItemCreateEvent():
                item, audio = to_item(event.item, self._config.input, "item")
                return Received((AddItem(item, event.previous_item_id, event.event_id, audio),))
            case ConversationItemRetrieveEvent():
                return Received((RetrieveItem(event.item_id, event.event_id),))
            case ConversationItemDeleteEvent():
                return Received((DeleteItem(event.item_id, event.event_id),))
            case ConversationItemTruncateEvent():
                return _truncate(event)
            case ResponseCreateEvent():
                return self._respond(event)
            case ResponseCancelEvent():
                return Received((Cancel(event.response_id, event.event_id),))
            case OutputAudioBufferClearEvent() if self._by_track:
                return Received((Hush(),))
            case OutputAudioBufferClearEvent():
                message = (
                    "Over a WebSocket the client plays the audio: it stops its own playback, "
                    "and sends 'response.cancel' and 'conversation.item.truncate'."
                )
                raise Invalid("unsupported_event", message, "type")

    def _append(self, event: InputAudioBufferAppendEvent) -> Received:
        data = decode_base64(event.audio, "audio")
        try:
            pcm = self._decoder.push(data)
        except ValueError as error:
            raise Invalid("invalid_audio", f"Invalid 'audio': {error}.", "audio") from None
        wire = self._config.input
        self._uncommitted_ticks += len(data) // wire.sample_bytes * (_TICKS_PER_MS * 1000 // wire.rate)
        return Received((Audio(pcm),)) if len(pcm) else Received()

    def _commit(self, event: InputAudioBufferCommitEvent) -> Received:
        """Without turn detection all that was appended is uncommitted; with it, only the agent knows."""
        buffered_ms = self._uncommitted_ticks / _TICKS_PER_MS
        if self.settings.turn_detection is None and buffered_ms < _SHORTEST_COMMIT_MS:
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{_SHORTEST_COMMIT_MS}ms of audio, but buffer only has {buffered_ms:.2f}ms of audio."
            )
            raise Invalid("input_audio_buffer_commit_empty", message)
        self._uncommitted_ticks = 0
        return Received((Commit(event.event_id),))

    def _update(self, event: SessionUpdateEvent) -> Received:
        if not isinstance(event.session, RealtimeSessionCreateRequest):
            message = "Transcription sessions are not supported; use 'realtime' with audio.input.transcription."
            raise Invalid("unsupported_session_type", message, "session.type")
        merge = Merge(self._config, self._offer, voice_is_fixed=self._has_spoken)
        merge.session(event.session)
        if merge.config.input != self._config.input:
            self._decoder = InputDecoder(merge.config.input)
        self._config = merge.config
        self._asked.append(merge.config)
        return Received((Update(merge.config.settings),), _complain(merge.complaints, event.event_id))

    def _respond(self, event: ResponseCreateEvent) -> Received:
        asked = event.response or RealtimeResponseCreateParams()
        complaints = list(describe.unsupported(asked, describe.UNSUPPORTED_OF_RESPONSES, "response"))
        if not self._offer.thinks:
            complaints += describe.unsupported(asked, describe.NO_THOUGHTS, "response")
        if asked.conversation not in (None, "auto", "none"):
            message = f"Invalid value: '{asked.conversation[:80]}'. Supported values are: 'auto', 'none'."
            raise Invalid("invalid_value", message, "response.conversation")
        tools = None if asked.tools is None else describe.tools(asked.tools, "response")
        choice = asked.tool_choice
        offered = self.settings.tools if tools is None else tools
        command = Respond(
            instructions=asked.instructions,
            tools=tools,
            tool_choice=None if choice is None else describe.tool_choice(choice, offered, "response"),
            modality=describe.modality(asked.output_modalities, "response"),
            voice=self._voice(asked, complaints),
            max_output_tokens=describe.max_tokens(asked.max_output_tokens, "response"),
            thinking=describe.thinking(asked.reasoning),
            input=None if asked.input is None else tuple(self._inputs(asked)),
            into_conversation=asked.conversation != "none",
            metadata=_metadata(asked),
            event_id=event.event_id,
        )
        return Received((command,), _complain(complaints, event.event_id))

    def _voice(self, asked: RealtimeResponseCreateParams, complaints: list[Invalid]) -> str | None:
        """Of a single response; unlike the session's, it may differ from what was heard before."""
        output = asked.audio.output if asked.audio else None
        if output is None:
            return None
        if output.format is not None:
            at = "response.audio.output.format"
            if describe.audio_format(output.format, at) != self._config.output:
                message = "A response's audio has the session's format; change it with 'session.update'."
                complaints.append(Invalid("unsupported_parameter", message, at))
        try:
            return describe.voice_name(output.voice, self._offer, "response.audio.output.voice")
        except Invalid as complaint:
            complaints.append(complaint)
            return None

    def _inputs(self, asked: RealtimeResponseCreateParams) -> Iterable[Item]:
        for number, wire in enumerate(asked.input or ()):
            item, audio = to_item(wire, self._config.input, f"response.input[{number}]")
            if audio is not None:
                message = "A response's input is text; add audio to the conversation instead."
                raise Invalid("unsupported_content", message, f"response.input[{number}].content")
            yield item

    def _report_response(
        self, event: ResponseStarted | OutputAdded | OutputText | OutputAudio | OutputDone | ResponseDone
    ) -> Sequence[ServerEvent]:
        if isinstance(event, ResponseStarted):
            report = ResponseReport(event, self._in_force.output, self._conversation_id)
            self._responses[event.response_id] = report
            return [report.created()]
        report = self._responses[event.response_id]
        match event:
            case OutputAdded():
                return [report.added(event)]
            case OutputText():
                return report.text(event)
            case OutputAudio():
                self._has_spoken = True
                return self._tell_of_audio(event) if self._by_track else report.audio(event)
            case OutputDone():
                return report.item_done(event)
            case ResponseDone():
                del self._responses[event.response_id]
                return [report.done(event)]

    def _take_force(self, asked: describe.Config, settings: SessionSettings) -> None:
        """A voice that could not be loaded stays what it was."""
        self._in_force = replace(asked, settings=settings)
        if self._config.settings.voice == asked.settings.voice:
            self._config = replace(self._config, settings=replace(self._config.settings, voice=settings.voice))

    def _tell_of_audio(self, event: OutputAudio) -> Sequence[ServerEvent]:
        if not self.extensions.playback:
            return []
        return [
            OutputAudioEvent(
                type="antiphon.output_audio",
                event_id=new_id("event"),
                response_id=event.response_id,
                item_id=event.item_id,
                duration_ms=len(event.pcm) * 1000 / self._in_force.output.rate,
            )
        ]


def _truncate(event: ConversationItemTruncateEvent) -> Received:
    if event.content_index != 0:
        raise Invalid("invalid_value", "A message has one content part, of index 0.", "content_index")
    if not 0 <= event.audio_end_ms <= _LONGEST_ANSWER_MS:
        message = f"Invalid 'audio_end_ms': expected a value from 0 to {_LONGEST_ANSWER_MS}."
        raise Invalid("invalid_value", message, "audio_end_ms")
    return Received((TruncateItem(event.item_id, event.audio_end_ms / 1000, event.event_id),))


def _metadata(asked: RealtimeResponseCreateParams) -> dict[str, str]:
    metadata = asked.metadata or {}
    if len(metadata) > 16 or any(len(key) > 64 or len(value) > 512 for key, value in metadata.items()):
        message = "Metadata holds at most 16 pairs, keys of 64 and values of 512 characters."
        raise Invalid("invalid_value", message, "response.metadata")
    return metadata


def _complain(complaints: list[Invalid], event_id: str | None) -> tuple[ServerEvent, ...]:
    return tuple(error_event(error.code, error.message, error.param, event_id) for error in complaints)
