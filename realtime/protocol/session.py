"""The Realtime protocol of one session, without I/O: client events in, commands and server events out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
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
    ResponseItemReference,
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
    ItemReference,
    Respond,
    RetrieveItem,
    SessionSettings,
    TruncateItem,
    Update,
)
from pipeline.conversation.items import Item
from pipeline.events import (
    Cleared,
    Committed,
    Event,
    HeardOverAnswer,
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
from pipeline.runtime.ids import new_id
from pipeline.runtime.timeline import Timeline
from realtime.protocol import session_config
from realtime.protocol.conversation_events import report_input, report_item, report_transcription
from realtime.protocol.extensions import Extensions, OutputAudioEvent, ThoughtsDeltaEvent, overlap_event
from realtime.protocol.input_audio import InputBuffer, read_clip
from realtime.protocol.item_codec import audio_place, to_item
from realtime.protocol.parsing import Invalid, ServerEvent, error_event, parse
from realtime.protocol.response_events import ResponseReport, thinking_json, timeline_json
from realtime.protocol.session_config import Merge, Offer, first_config, session_object
from realtime.protocol.session_state import SessionState

_LONGEST_ANSWER_MS = 24 * 3600 * 1000


class Received(NamedTuple):
    """Result of a client event: commands for the agent, and server events that answer at once."""

    commands: tuple[Command, ...] = ()
    events: tuple[ServerEvent, ...] = ()


class Session:
    """The protocol state of one client's session.

    `model`: the client's name for the agent. `state`: that of the session to continue; None: it is new. An event of
    more than `max_event_bytes` is refused without parsing. With `by_track`, audio travels by RTP instead of events, and
    the server controls playback.
    """

    def __init__(
        self,
        offer: Offer,
        model: str,
        *,
        max_event_bytes: int,
        extensions: Extensions = Extensions(),  # noqa: B008 - a value, as immutable as a number
        by_track: bool = False,
        state: SessionState | None = None,
    ) -> None:
        self.id = new_id("sess") if state is None else state.session_id
        self.extensions = extensions
        self._offer = offer
        self._by_track = by_track
        self._max_event_bytes = max_event_bytes
        self._conversation_id = new_id("conv") if state is None else state.conversation_id
        self._config = first_config(offer, model) if state is None else state.config
        """Configuration that the client last asked for, by which its next events are read."""
        self._in_force = self._config
        """Configuration that the agent last confirmed."""
        self._tokens = count()
        self._asked: dict[int, session_config.Config] = {}
        """Updates that the agent has not confirmed yet, by token."""
        self._input = InputBuffer(self._config.input)
        self._responses: dict[str, ResponseReport] = {}
        self._has_spoken = state is not None and state.has_spoken

    @property
    def settings(self) -> SessionSettings:
        """Settings that the client last asked for."""
        return self._config.settings

    def state(self, items: Iterable[Item]) -> SessionState:
        """What another connection needs to continue this session and its conversation, of these items."""
        return SessionState(self.id, self._conversation_id, self._config, tuple(items))

    def open(self) -> Sequence[ServerEvent]:
        """The events with which the session begins."""
        return [SessionCreatedEvent(type="session.created", event_id=new_id("event"), session=self.described())]

    def described(self) -> RealtimeSessionCreateRequest:
        """The session object, with the settings in force."""
        return session_object(self._in_force, self.id, self._offer)

    def receive(self, raw: str | bytes) -> Received:
        """Carry out a client event. Never raises: invalid events become `error` events."""
        steps = list(self.steps(raw))
        return Received(
            tuple(command for step in steps for command in step.commands),
            tuple(event for step in steps for event in step.events),
        )

    def steps(self, raw: str | bytes) -> Iterator[Received]:
        """As `receive`, in steps of a few milliseconds, between which others may run. An event is finished first.

        Nearly every event is one step; the length of its audio decides. A step may be empty.
        """
        if (length := _bytes_of(raw)) > self._max_event_bytes:
            message = f"The event is {length} bytes long; at most {self._max_event_bytes} are taken."
            yield Received(events=(error_event("event_too_large", message),))
            return
        event_id = None
        try:
            event = parse(raw, self._offer.max_characters)
            event_id = event.event_id
            yield from self._carry_out(event)
        except Invalid as error:
            yield Received(events=(error_event(error.code, error.message, error.param, error.event_id or event_id),))

    def report(self, event: Event) -> Sequence[ServerEvent]:
        """Server events that report an event of the agent."""
        match event:
            case ResponseStarted() | OutputAdded() | OutputText() | OutputAudio() | OutputDone() | ResponseDone():
                return self._report_response(event)
            case ItemTruncated(unasked=True) if not (self._by_track or self.extensions.playback):
                return []  # the client plays the audio, and says itself how much of it was heard
            case ItemAdded() | ItemDone() | ItemRetrieved() | ItemDeleted() | ItemTruncated():
                return [report_item(event)]
            case Transcribed() | TranscriptionFailed():
                return report_transcription(event)
            case Updated():
                asked = self._in_force if event.token is None else self._asked.pop(event.token)
                self._take_force(asked, event.settings)
                return [SessionUpdatedEvent(type="session.updated", event_id=new_id("event"), session=self.described())]
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
            case Playback() | HeardOverAnswer():
                return [overlap_event(event)] if self.extensions.playback else []
            case Refused():
                return [error_event(event.code, event.message, event.param, event.event_id)]
            case SpeechStarted() | SpeechStopped() | IdleTimeout() | Committed() | Cleared():
                return [report_input(event)]

    def seal(self, event: ResponseDoneEvent, timeline: Timeline) -> ResponseDoneEvent:
        """The end of a response with the turn's time stamps, if the client asked for them."""
        if not self.extensions.timeline:
            return event
        metadata = (event.response.metadata or {}) | {"timeline": timeline_json(timeline)}
        if timeline.thought_tokens is not None:
            metadata |= {"thinking": thinking_json(timeline)}
        response = event.response.model_copy(update={"metadata": metadata})
        return event.model_copy(update={"response": response})

    def _carry_out(self, event: RealtimeClientEvent) -> Iterator[Received]:
        match event:
            case InputAudioBufferAppendEvent():
                for pcm in self._input.append(event.audio):
                    yield Received((Audio(pcm),)) if len(pcm) else Received()
            case ConversationItemCreateEvent():
                yield from self._create_item(event)
            case InputAudioBufferCommitEvent():
                self._input.commit(by_hand=self.settings.turn_detection is None)
                yield Received((Commit(event.event_id),))
            case InputAudioBufferClearEvent():
                self._input.clear()
                yield Received((Clear(),))
            case SessionUpdateEvent():
                yield self._update(event)
            case ConversationItemRetrieveEvent():
                yield Received((RetrieveItem(event.item_id, event.event_id),))
            case ConversationItemDeleteEvent():
                yield Received((DeleteItem(event.item_id, event.event_id),))
            case ConversationItemTruncateEvent():
                yield _truncate(event)
            case ResponseCreateEvent():
                yield self._respond(event)
            case ResponseCancelEvent():
                yield Received((Cancel(event.response_id, event.event_id),))
            case OutputAudioBufferClearEvent() if self._by_track:
                yield Received((Hush(),))
            case OutputAudioBufferClearEvent():
                message = (
                    "Over a WebSocket the client plays the audio: it stops its own playback, "
                    "and sends 'response.cancel' and 'conversation.item.truncate'."
                )
                raise Invalid("unsupported_event", message, "type")

    def _create_item(self, event: ConversationItemCreateEvent) -> Iterator[Received]:
        item, audio = to_item(event.item, "item")
        clip = None
        if audio is not None:
            for pcm in read_clip(audio, self._config.input, self._offer.longest_clip_s, audio_place("item")):
                clip = pcm
                yield Received()
        yield Received((AddItem(item, event.previous_item_id, event.event_id, clip),))

    def _update(self, event: SessionUpdateEvent) -> Received:
        if not isinstance(event.session, RealtimeSessionCreateRequest):
            message = "Transcription sessions are not supported; use 'realtime' with audio.input.transcription."
            raise Invalid("unsupported_session_type", message, "session.type")
        merge = Merge(self._config, self._offer, voice_is_fixed=self._has_spoken)
        merge.session(event.session)
        self._input.change_format(merge.config.input)
        self._config = merge.config
        token = next(self._tokens)
        self._asked[token] = merge.config
        return Received(
            (Update(merge.config.settings, token, event.event_id),), _complain(merge.complaints, event.event_id)
        )

    def _respond(self, event: ResponseCreateEvent) -> Received:
        asked = event.response or RealtimeResponseCreateParams()
        complaints = list(session_config.unsupported(asked, "response"))
        if asked.conversation not in (None, "auto", "none"):
            message = f"Invalid value: '{asked.conversation[:80]}'. Supported values are: 'auto', 'none'."
            raise Invalid("invalid_value", message, "response.conversation")
        tools = None if asked.tools is None else session_config.tools(asked.tools, "response")
        choice = asked.tool_choice
        offered = self.settings.tools if tools is None else tools
        command = Respond(
            instructions=asked.instructions,
            tools=tools,
            tool_choice=None if choice is None else session_config.tool_choice(choice, offered, "response"),
            modality=session_config.modality(asked.output_modalities, "response"),
            voice=self._voice(asked, complaints),
            max_output_tokens=session_config.max_tokens(asked.max_output_tokens, "response"),
            thinking=session_config.thinking(asked.reasoning),
            input=None if asked.input is None else tuple(self._inputs(asked)),
            into_conversation=asked.conversation != "none",
            metadata=_metadata(asked),
            event_id=event.event_id,
        )
        return Received((command,), _complain(complaints, event.event_id))

    def _voice(self, asked: RealtimeResponseCreateParams, complaints: list[Invalid]) -> str | None:
        """Voice of a single response. Unlike the session's, it may change after audio was played."""
        output = asked.audio.output if asked.audio else None
        if output is None:
            return None
        if output.format is not None:
            at = "response.audio.output.format"
            if session_config.audio_format(output.format, at) != self._config.output:
                message = "A response's audio has the session's format; change it with 'session.update'."
                complaints.append(Invalid("unsupported_parameter", message, at))
        try:
            return session_config.voice_name(output.voice, self._offer, "response.audio.output.voice")
        except Invalid as complaint:
            complaints.append(complaint)
            return None

    def _inputs(self, asked: RealtimeResponseCreateParams) -> Iterable[Item | ItemReference]:
        for number, wire in enumerate(asked.input or ()):
            if isinstance(wire, ResponseItemReference):
                yield ItemReference(wire.id)
                continue
            item, audio = to_item(wire, f"response.input[{number}]")
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

    def _take_force(self, asked: session_config.Config, settings: SessionSettings) -> None:
        """Put a confirmed configuration in force: `settings` has the previous value of what could not be changed."""
        self._in_force = replace(asked, settings=settings)
        wanted, latest = asked.settings, self._config.settings
        if latest.voice == wanted.voice:
            latest = replace(latest, voice=settings.voice)
        if (latest.instructions, latest.tools) == (wanted.instructions, wanted.tools):
            latest = replace(latest, instructions=settings.instructions, tools=settings.tools)
            latest = replace(latest, tool_choice=settings.tool_choice) if settings.tools != wanted.tools else latest
        self._config = replace(self._config, settings=latest)

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


def _bytes_of(raw: str | bytes) -> int:
    """Length on the wire. Characters beyond ASCII take up to four bytes there, and as many in memory."""
    return len(raw) if isinstance(raw, bytes) or raw.isascii() else len(raw.encode())


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
