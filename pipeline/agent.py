"""One conversation: what comes in is heard, turns are taken, answers are given. The wiring; the rest is elsewhere."""

import asyncio
import logging

from pipeline.answer import Answer
from pipeline.audio import silence
from pipeline.commands import (
    AddItem,
    Audio,
    Cancel,
    Clear,
    Command,
    Commit,
    DeleteItem,
    Respond,
    RetrieveItem,
    SemanticVad,
    ServerVad,
    SessionSettings,
    Silence,
    TruncateItem,
    Update,
)
from pipeline.conversation import Conversation
from pipeline.endpointing import samples, thresholds
from pipeline.engine import Engine
from pipeline.events import (
    Cleared,
    Committed,
    IdleTimeout,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    Refused,
    SpeechStarted,
    SpeechStopped,
    StopReason,
    Transcribed,
    TranscriptionFailed,
    Updated,
)
from pipeline.hearing import Hearing, blocks
from pipeline.ids import new_id
from pipeline.inbox import Inbox
from pipeline.items import Message
from pipeline.prompt import Prompt
from pipeline.response import Outlet
from pipeline.timeline import Timeline
from pipeline.turn import Decision, Idle, Paused, Resumed, SpeechBegan, State, TurnEnded
from pipeline.utterance import Utterance
from tts.synthesizer import Pcm, UnknownVoice

log = logging.getLogger(__name__)


class Agent:
    """`run` holds the conversation until it is cancelled; `do` hands it commands; what happens goes to `outlet`."""

    def __init__(self, engine: Engine, settings: SessionSettings, outlet: Outlet) -> None:
        self._engine = engine
        self._settings = settings
        self._outlet = outlet
        self._inbox = Inbox()
        self._conversation = Conversation(engine.settings.agent.max_items)
        self._prompt = Prompt(engine.decoder)
        limits = thresholds(engine.settings.turn, settings.turn_detection)
        self._hearing = Hearing(engine.vad, engine.encoder, engine.workers, limits)
        self._tasks = asyncio.TaskGroup()
        self._answers: list[Answer] = []
        """Those that are being given or heard; only the last one may still be given."""
        self._giving: asyncio.Task[None] | None = None
        """The newest answer's task: until it has ended, the prompt is its own."""
        self._unanswered: Timeline | None = None
        """Of the newest turn, until an answer takes it up."""
        self._transcripts: dict[str, asyncio.Task[str]] = {}
        """Turns that are over and whose words are still being made out."""
        self._overfull = False
        """Whether the client was told that the turn it commits by hand is too long."""

    async def do(self, command: Command) -> None:
        """Hand over a command; waits while the agent is behind, so that who sends too fast is slowed down."""
        await self._inbox.put(command)

    async def run(self) -> None:
        try:
            async with self._tasks:
                while True:
                    await self._carry_out(await self._inbox.get())
        finally:
            await self._prompt.close()

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Audio():
                for block in blocks(command.pcm):
                    await self._hear(block)
            case Silence():
                for block in blocks(silence(command.samples)):
                    await self._hear(block, filler=True)
            case Update():
                self._update(command.settings)
            case Commit():
                self._commit(command)
            case Clear():
                self._clear()
            case Respond():
                self._respond(command)
            case Cancel():
                self._cancel(command)
            case AddItem() | RetrieveItem() | DeleteItem() | TruncateItem():
                self._edit(command)

    # Hearing and taking turns

    async def _hear(self, pcm: Pcm, filler: bool = False) -> None:
        detection = self._settings.turn_detection
        in_turn = True if detection is not None else not filler and self._has_room(pcm)
        if detection is None and in_turn and self._hearing.utterance is None:
            self._hearing.open_utterance(since=self._hearing.received)
        for decision in await self._hearing.push(pcm, in_turn):
            self._note(decision)
            if detection is not None:
                self._decide(decision, detection)
        if self._answers and all(answer.heard_out for answer in self._answers):
            self._answers.clear()
            self._hearing.turn.responded()

    def _has_room(self, pcm: Pcm) -> bool:
        """A turn that the client commits by hand is bounded too."""
        utterance, limit_s = self._hearing.utterance, self._engine.settings.turn.max_turn_s
        if utterance is None or utterance.seconds < limit_s:
            return True
        if not self._overfull:
            self._overfull = True
            message = f"the input audio buffer holds {limit_s:g} s, its limit: audio is dropped until it is committed"
            self._outlet.emit(Refused("input_audio_buffer_full", message))
        return False

    def _note(self, decision: Decision) -> None:
        timeline, arrivals = self._hearing.timeline, self._hearing.arrivals
        match decision:
            case Paused():
                timeline.speech_ended = arrivals.at(decision.at)
                timeline.stamp("pause_seen")
            case Resumed():
                timeline.speech_ended = timeline.pause_seen = None

    def _decide(self, decision: Decision, detection: ServerVad | SemanticVad) -> None:
        match decision:
            case SpeechBegan():
                if detection.interrupt_response:
                    self._stop_answers("turn_detected")
                padding_s = self._engine.settings.turn.prefix_padding_s
                if isinstance(detection, ServerVad):
                    padding_s = detection.prefix_padding_s
                since = max(decision.at - samples(padding_s), 0)
                utterance = self._hearing.open_utterance(since)
                self._outlet.emit(SpeechStarted(utterance.item_id, since))
            case TurnEnded() if (ended := self._hearing.close_utterance()) is not None:
                self._outlet.emit(SpeechStopped(ended.item_id, decision.at))
                self._end_turn(ended, detection.create_response)
            case Idle():
                item = Message(new_id("item"), "user", "", spoken=True)
                self._outlet.emit(IdleTimeout(item.id, decision.start, decision.end))
                self._add_turn(item)
                self._respond(Respond())

    def _end_turn(self, utterance: Utterance, create_response: bool) -> None:
        timeline = self._hearing.timeline
        timeline.stamp("turn_decided")
        message = Message(utterance.item_id, "user", None, spoken=True)
        self._add_turn(message)
        transcript = self._begin_transcript(utterance, message, timeline)
        if create_response:
            self._tasks.create_task(self._answer_turn(transcript, timeline))
        else:
            self._unanswered = timeline

    def _add_turn(self, message: Message) -> None:
        after = self._conversation.insert(message)
        self._outlet.emit(Committed(message.id, after))
        self._outlet.emit(ItemAdded(message, after))
        self._outlet.emit(ItemDone(message, after))

    def _hear_clip(self, message: Message, pcm: Pcm) -> None:
        """Make out the words of a message that the client gave as audio."""
        utterance = Utterance(message.id, self._engine.encoder.open(), self._engine.workers)
        utterance.add(pcm)
        self._begin_transcript(utterance, message, Timeline())

    def _begin_transcript(self, utterance: Utterance, message: Message, timeline: Timeline) -> asyncio.Task[str]:
        transcript = self._tasks.create_task(self._transcribe(utterance, message, timeline))
        self._transcripts[message.id] = transcript
        return transcript

    async def _transcribe(self, utterance: Utterance, message: Message, timeline: Timeline) -> str:
        try:
            heard = await utterance.finish()
        except Exception as error:
            log.exception("a turn could not be transcribed")
            message.text = ""
            self._outlet.emit(TranscriptionFailed(message.id, f"the audio could not be transcribed: {error}"))
        else:
            message.text = heard.text
            timeline.stamp("transcript_ready")
            if self._settings.transcribe:
                self._outlet.emit(Transcribed(message.id, heard.text, heard.text, utterance.seconds))
        finally:
            del self._transcripts[message.id]
        return message.text or ""

    async def _answer_turn(self, transcript: asyncio.Task[str], timeline: Timeline) -> None:
        """Answer a turn that has words. If the person goes on meanwhile, that turn's answer will be for both."""
        if await transcript:
            self._unanswered = timeline
        if self._giving is not None and self._active() is not None:
            await asyncio.wait([self._giving])
        if self._unanswered is not None and self._hearing.utterance is None:
            self._respond(Respond())

    # Answering

    def _respond(self, request: Respond) -> None:
        if (active := self._active()) is not None:
            message = f"the response {active.response_id} is still being made"
            self._refuse("conversation_already_has_active_response", message, request.event_id)
            return
        timeline = self._unanswered or Timeline()
        timeline.stamp("turn_decided")
        try:
            answer = Answer(
                request,
                self._settings,
                engine=self._engine,
                conversation=self._conversation,
                prompt=self._prompt,
                outlet=self._outlet,
                clock=lambda: self._hearing.clock,
                begins=self._answers[-1].ends if self._answers else 0,
                timeline=timeline,
            )
        except UnknownVoice as error:
            self._refuse("invalid_value", str(error), request.event_id, param="response.audio.output.voice")
            return
        after = [*self._transcripts.values(), *([self._giving] if self._giving is not None else [])]
        self._answers.append(answer)
        self._unanswered = None
        self._giving = answer.begin(self._tasks, after)
        self._hearing.turn.responding()

    def _active(self) -> Answer | None:
        """The answer that is being made."""
        return self._answers[-1] if self._answers and self._answers[-1].active else None

    def _stop_answers(self, reason: StopReason) -> None:
        for answer in self._answers:
            answer.stop(reason)
        self._answers.clear()
        self._hearing.turn.responded()

    def _cancel(self, command: Cancel) -> None:
        active = self._active()
        if active is None or command.response_id not in (None, active.response_id):
            which = "no response is" if command.response_id is None else f"the response {command.response_id} is not"
            self._refuse("response_cancel_not_active", f"{which} being made", command.event_id)
            return
        self._stop_answers("client_cancelled")

    # What the client does to the session and the conversation

    def _update(self, settings: SessionSettings) -> None:
        if (settings.turn_detection is None) != (self._settings.turn_detection is None):
            self._hearing.close_utterance()
            self._hearing.turn.reset()
        self._settings = settings
        self._hearing.turn.thresholds = thresholds(self._engine.settings.turn, settings.turn_detection)
        self._outlet.emit(Updated(settings))

    def _commit(self, command: Commit) -> None:
        utterance = self._hearing.close_utterance()
        if utterance is None:
            message = "the input audio buffer is empty: append audio before you commit it"
            self._refuse("input_audio_buffer_commit_empty", message, command.event_id)
            return
        if self._hearing.turn.state is State.HEARING or self._hearing.timeline.speech_ended is None:
            self._hearing.timeline.speech_ended = self._hearing.arrivals.at(self._hearing.received)
        self._forget_turn()
        detection = self._settings.turn_detection
        self._end_turn(utterance, create_response=detection is not None and detection.create_response)

    def _clear(self) -> None:
        self._hearing.close_utterance()
        self._forget_turn()
        self._outlet.emit(Cleared())

    def _forget_turn(self) -> None:
        self._overfull = False
        if self._hearing.turn.state is not State.RESPONDING:
            self._hearing.turn.reset()

    def _edit(self, command: AddItem | RetrieveItem | DeleteItem | TruncateItem) -> None:
        """Work on the conversation's items; it says what is wrong with a wish that it can't grant."""
        try:
            match command:
                case AddItem():
                    after = self._conversation.insert(command.item, command.after)
                    self._outlet.emit(ItemAdded(command.item, after))
                    self._outlet.emit(ItemDone(command.item, after))
                    if command.audio is not None and isinstance(command.item, Message):
                        self._hear_clip(command.item, command.audio)
                case RetrieveItem():
                    self._outlet.emit(ItemRetrieved(self._conversation[command.item_id]))
                case DeleteItem():
                    self._conversation.delete(command.item_id)
                    self._outlet.emit(ItemDeleted(command.item_id))
                case TruncateItem():
                    self._conversation.truncate(command.item_id, command.heard_s)
                    self._outlet.emit(ItemTruncated(command.item_id, command.heard_s))
        except LookupError as error:
            self._refuse("item_not_found", str(error), command.event_id, param="item_id")
        except ValueError as error:
            self._refuse("invalid_value", str(error), command.event_id)

    def _refuse(self, code: str, message: str, event_id: str | None, param: str | None = None) -> None:
        self._outlet.emit(Refused(code, message, param, event_id))
