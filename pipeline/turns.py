"""The person's turns: begun, listened to while they last, considered at every pause, ended, and answered.

While the person talks, the encoder hears what is new and the decoder reads what is understood. At a pause that may be
the end the answer begins already, held back: if the person goes on, it is withdrawn, and nobody knew of it.
"""

import asyncio
import logging

from pipeline.answer import Answer, Place
from pipeline.answers import Answers
from pipeline.commands import Respond, SemanticVad, ServerVad, SessionSettings
from pipeline.conversation import as_units
from pipeline.decoders.decoder import DecoderError, Open, Text
from pipeline.ending import Ending
from pipeline.endpointing import open_words, patience, samples
from pipeline.events import (
    Committed,
    IdleTimeout,
    ItemAdded,
    ItemDone,
    Refused,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TranscriptionFailed,
)
from pipeline.hearing import Hearing
from pipeline.ids import new_id
from pipeline.items import Message
from pipeline.timeline import Timeline
from pipeline.turn import Decision, Idle, Paused, Resumed, SpeechBegan, State, TurnEnded
from pipeline.utterance import Utterance
from tts.synthesizer import Pcm

log = logging.getLogger(__name__)


class Turns:
    """One conversation's; every method is called with the settings that are in force."""

    def __init__(self, tasks: asyncio.TaskGroup, place: Place, hearing: Hearing, answers: Answers) -> None:
        self._tasks = tasks
        self._place = place
        self._hearing = hearing
        self._answers = answers
        self._ending: Ending | None = None
        """The pause that is on."""
        self._open_endings: set[asyncio.Task[None]] = set()
        """Turns that are over, or may be, and whose words are being made out."""
        self._listening: asyncio.Task[None] | None = None
        self._newest: Timeline | None = None
        """Of the newest turn, until an answer takes it up."""
        self._unanswered = False
        """Whether there are words that wait for an answer."""
        self._overfull = False
        """Whether the client was told that the turn it commits by hand is too long."""

    async def hear(self, pcm: Pcm, settings: SessionSettings, filler: bool) -> None:
        """Take a block of audio; `filler` is silence that only stands for time that went by."""
        detection = settings.turn_detection
        in_turn = True if detection is not None else not filler and self._has_room()
        if detection is None and in_turn and self._hearing.utterance is None:
            self._hearing.open_utterance(since=self._hearing.received)
        for decision in await self._hearing.push(pcm, in_turn):
            self._note(decision)
            if detection is not None:
                self._decide(decision, detection, settings)
        self._answers.settle()
        self._listen(settings)

    def respond(self, request: Respond, settings: SessionSettings) -> None:
        """Answer now; the words of all turns so far are waited for."""
        timeline = self._newest or Timeline()
        if self._answers.respond(request, settings, timeline, frozenset(self._open_endings)):
            self._newest = None
            self._unanswered = False

    def commit(self, event_id: str | None, settings: SessionSettings) -> None:
        """End the turn here, because the client says so."""
        utterance, timeline = self._hearing.close_utterance(), self._hearing.timeline
        if utterance is None:
            message = "the input audio buffer is empty: append audio before you commit it"
            self._place.outlet.emit(Refused("input_audio_buffer_commit_empty", message, None, event_id))
            return
        if self._hearing.turn.state is State.HEARING or timeline.speech_ended is None:
            timeline.speech_ended = self._hearing.arrivals.at(self._hearing.received)
        self._reset()
        detection = settings.turn_detection
        answered = detection is not None and detection.create_response
        self._end(self._ending or self._consider(utterance, None, settings, answered), settings)

    def drop(self) -> None:
        """Forget the turn that is open."""
        self._hearing.close_utterance()
        if self._ending is not None:
            self._ending.withdraw()
            self._ending = None
        self._reset()

    def transcribe(self, message: Message, pcm: Pcm, settings: SessionSettings) -> None:
        """Make out the words of a message that the client gave as audio."""
        utterance = Utterance(message.id, self._place.engine.encoder.open(), self._place.engine.workers)
        utterance.add(pcm)
        ending = Ending(utterance, message, Timeline(), create_response=False, decided=True)
        self._begin(ending, None, settings)

    # Deciding

    def _note(self, decision: Decision) -> None:
        timeline, arrivals = self._hearing.timeline, self._hearing.arrivals
        match decision:
            case Paused():
                timeline.speech_ended = arrivals.at(decision.at)
                timeline.stamp("pause_seen")
            case Resumed():
                self._hearing.timeline = Timeline()

    def _decide(self, decision: Decision, detection: ServerVad | SemanticVad, settings: SessionSettings) -> None:
        match decision:
            case SpeechBegan():
                self._speech_began(decision, detection)
            case Paused() if self._hearing.utterance is not None:
                semantic = detection if isinstance(detection, SemanticVad) else None
                self._ending = self._consider(self._hearing.utterance, semantic, settings, detection.create_response)
            case Resumed() if self._ending is not None:
                self._ending.withdraw()
                self._ending = None
            case TurnEnded() if self._ending is not None:
                self._hearing.close_utterance()
                self._place.outlet.emit(SpeechStopped(self._ending.message.id, decision.at))
                self._end(self._ending, settings)
            case Idle():
                message = Message(new_id("item"), "user", "", spoken=True)
                self._place.outlet.emit(IdleTimeout(message.id, decision.start, decision.end))
                self._add(message)
                self.respond(Respond(), settings)

    def _speech_began(self, speech: SpeechBegan, detection: ServerVad | SemanticVad) -> None:
        if detection.interrupt_response:
            self._answers.stop("turn_detected")
        padding_s = self._place.engine.settings.turn.prefix_padding_s
        if isinstance(detection, ServerVad):
            padding_s = detection.prefix_padding_s
        since = max(speech.at - samples(padding_s), 0)
        utterance = self._hearing.open_utterance(since)
        self._place.outlet.emit(SpeechStarted(utterance.item_id, since))

    def _end(self, ending: Ending, settings: SessionSettings) -> None:
        """The turn is over: it becomes a message of the conversation."""
        self._ending = None
        ending.decided = True
        ending.timeline.stamp("turn_decided")
        self._newest = ending.timeline
        self._add(ending.message)
        if ending.considered:
            self._conclude(ending, settings)

    def _add(self, message: Message) -> None:
        after = self._place.conversation.insert(message)
        for event in (Committed(message.id, after), ItemAdded(message, after), ItemDone(message, after)):
            self._place.outlet.emit(event)

    # Understanding

    def _listen(self, settings: SessionSettings) -> None:
        """Let the open turn be heard as far as it has come, if that is not being done already."""
        utterance = self._hearing.utterance
        busy = self._listening is not None and not self._listening.done()
        if utterance is not None and self._ending is None and not busy and utterance.has_news:
            self._listening = self._tasks.create_task(self._follow(utterance, settings))

    async def _follow(self, utterance: Utterance, settings: SessionSettings) -> None:
        """Understand what is new, caption it, and let the decoder read it."""
        try:
            heard = await utterance.listen()
        except Exception:
            # The last look at the turn will meet the same trouble, and says so.
            log.exception("a turn could not be followed")
            return
        if utterance is not self._hearing.utterance:
            return
        if settings.transcribe and (news := utterance.newly_committed(heard)):
            self._place.outlet.emit(Transcribed(utterance.item_id, news))
        if self._place.prompt.idle and self._answers.active is None:
            await self._end_of_turn(utterance.item_id, heard.text, settings)

    def _consider(
        self, utterance: Utterance, detection: SemanticVad | None, settings: SessionSettings, create_response: bool
    ) -> Ending:
        message = Message(utterance.item_id, "user", None, spoken=True)
        ending = Ending(utterance, message, self._hearing.timeline, create_response)
        self._begin(ending, detection, settings)
        return ending

    def _begin(self, ending: Ending, detection: SemanticVad | None, settings: SessionSettings) -> None:
        task = self._tasks.create_task(self._make_out(ending, detection, settings))
        self._open_endings.add(task)
        task.add_done_callback(self._open_endings.discard)

    async def _make_out(self, ending: Ending, detection: SemanticVad | None, settings: SessionSettings) -> None:
        """Take the last look at the words; find out whether they are complete; begin to answer."""
        try:
            heard = await ending.utterance.finish()
        except Exception as error:
            log.exception("a turn could not be transcribed")
            ending.error = f"the audio could not be transcribed: {error}"
        else:
            ending.timeline.stamp("transcript_ready")
            ending.message.text = heard.text
            if detection is not None and self._ending is ending:
                await self._weigh(ending, heard.text, detection, settings)
            if heard.text and self._may_begin_early(ending):
                ending.answer = self._answers.prepare(ending.message, settings, ending.timeline)
        ending.considered = True
        if ending.decided:
            self._conclude(ending, settings)

    async def _weigh(self, ending: Ending, words: str, detection: SemanticVad, settings: SessionSettings) -> None:
        probability = await self._end_of_turn(ending.message.id, words, settings)
        if self._ending is ending:
            wait = patience(self._place.engine.settings.turn, detection, words, probability)
            self._hearing.turn.be_patient(wait)

    async def _end_of_turn(self, item_id: str, words: str, settings: SessionSettings) -> float | None:
        """The decoder reads the open turn up to its last word, and says how likely that was the end."""
        spoken = (item_id, (Open("user"), Text(open_words(words))))
        groups = [*as_units(self._place.conversation), spoken]
        reserve = self._place.engine.settings.decoder.max_tokens
        try:
            async with self._place.prompt.read(settings.instructions, settings.tools, groups, reserve) as context:
                return await context.end_of_turn_probability()
        except DecoderError:
            # The answer will meet the same trouble, and says so.
            log.warning("the decoder could not read along", exc_info=True)
            return None

    def _may_begin_early(self, ending: Ending) -> bool:
        speculate = self._place.engine.settings.turn.speculate and ending.create_response
        return speculate and self._ending is ending and self._answers.active is None

    def _conclude(self, ending: Ending, settings: SessionSettings) -> None:
        """The turn is over and its words are made out: tell them, and answer."""
        message, outlet = ending.message, self._place.outlet
        if ending.error is not None:
            message.text = ""
            outlet.emit(TranscriptionFailed(message.id, ending.error))
        elif settings.transcribe:
            final = message.text or ""
            delta = ending.utterance.rest_of(final)
            outlet.emit(Transcribed(message.id, delta, final, ending.utterance.seconds))
        self._unanswered |= bool(message.text)
        if not ending.create_response or not self._unanswered:
            return
        if self._hearing.utterance is not None:
            # The person has gone on meanwhile: the next turn's answer will be for both.
            if ending.answer is not None:
                ending.answer.withdraw()
        elif ending.answer is not None:
            self._unanswered, self._newest = False, None
            self._answers.give(ending.answer)
        elif (active := self._answers.active) is not None:
            self._tasks.create_task(self._respond_behind(active, settings))
        else:
            self.respond(Respond(), settings)

    async def _respond_behind(self, active: Answer, settings: SessionSettings) -> None:
        """Answer once the answer that must not be interrupted is made."""
        await active.made()
        if self._unanswered and self._hearing.utterance is None:
            self.respond(Respond(), settings)

    # Turns that the client ends

    def _has_room(self) -> bool:
        """A turn that the client commits by hand is bounded too."""
        utterance, limit_s = self._hearing.utterance, self._place.engine.settings.turn.max_turn_s
        if utterance is None or utterance.seconds < limit_s:
            return True
        if not self._overfull:
            self._overfull = True
            message = f"the input audio buffer holds {limit_s:g} s, its limit: audio is dropped until it is committed"
            self._place.outlet.emit(Refused("input_audio_buffer_full", message))
        return False

    def _reset(self) -> None:
        self._overfull = False
        if self._hearing.turn.state is not State.RESPONDING:
            self._hearing.turn.reset()
