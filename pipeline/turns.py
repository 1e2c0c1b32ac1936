"""The person's turns: begun, listened to while they last, considered at every pause, ended, and answered.

While the person talks, the encoder hears what is new and the decoder reads what is understood. At a pause that may be
the end the answer begins already, held back: if the person goes on, it is withdrawn, and nobody knew of it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from pipeline.answer import Answer
from pipeline.answers import Answers
from pipeline.commands import Respond, SemanticVad, ServerVad
from pipeline.ending import Ending
from pipeline.endpointing import patience, samples
from pipeline.events import Committed, IdleTimeout, ItemAdded, ItemDone, Refused, SpeechStarted, SpeechStopped
from pipeline.hearing import Hearing
from pipeline.ids import new_id
from pipeline.items import Message
from pipeline.overlap import Overlap
from pipeline.place import Place
from pipeline.timeline import Timeline
from pipeline.turn import (
    Decision,
    Idle,
    Lifted,
    Overheard,
    Overlapped,
    Paused,
    Persisted,
    Resumed,
    SpeechBegan,
    State,
    TurnEnded,
)
from pipeline.understanding import Understanding
from pipeline.utterance import Utterance
from pipeline.workers import Urgency
from tts.synthesizer import Pcm

_MOST_LOOKS = 4
"""Messages of audio that are made out at once; the client waits with more."""


class Turns:
    """Those of one conversation."""

    def __init__(self, tasks: asyncio.TaskGroup, place: Place, hearing: Hearing, answers: Answers) -> None:
        self._tasks = tasks
        self._place = place
        self._hearing = hearing
        self._answers = answers
        self._understanding = Understanding(place)
        self._overlap = Overlap(tasks, place, hearing, answers)
        hearing.loudspeaker = answers.played
        self._pause: Ending | None = None
        """The one that is on."""
        self._unanswered: list[Ending] = []
        """Turns that are over and wait for their words, or for an answer; the oldest first."""
        self._taken_up: list[Ending] = []
        """Those that the newest answer is for."""
        self._looks: set[asyncio.Task[None]] = set()
        """What an answer waits for: words that are being made out."""
        self._following: asyncio.Task[None] | None = None
        self._overfull = False
        """Whether the client was told that the turn it commits by hand is too long."""

    async def close(self) -> None:
        await self._understanding.close()

    async def hear(self, pcm: Pcm, filler: bool) -> None:
        """Take a block of audio; `filler` is silence that only stands for time that went by."""
        detection = self._place.settings().turn_detection
        in_turn = True if detection is not None else not filler and self._has_room()
        if detection is None and in_turn and self._hearing.utterance is None:
            self._hearing.open_utterance(since=self._hearing.received)
        for decision in await self._hearing.push(pcm, in_turn):
            self._note(decision)
            if detection is not None:
                self._decide(decision, detection)
        self._answers.settle()
        if self._hearing.turn.state is not State.OVERLAP:
            self._overlap.over()
        self._follow()

    def respond(self, request: Respond) -> None:
        """Answer now, all turns that are over; the words of the last ones are waited for."""
        if self._pause is not None:
            self._pause.withdraw_answer()
        timeline = self._unanswered[-1].timeline if self._unanswered else Timeline()
        if self._answers.respond(request, timeline, frozenset(self._looks)):
            self._taken_up, self._unanswered = self._unanswered, []

    def commit(self, event_id: str | None) -> None:
        """End the turn here, because the client says so."""
        utterance, timeline = self._hearing.close_utterance(), self._hearing.timeline
        if utterance is None:
            message = "the input audio buffer is empty: append audio before you commit it"
            self._place.outlet.emit(Refused("input_audio_buffer_commit_empty", message, None, event_id))
            return
        if self._hearing.turn.state is State.HEARING or timeline.speech_ended is None:
            timeline.speech_ended = self._hearing.arrivals.at(self._hearing.received)
        self._reset()
        detection = self._place.settings().turn_detection
        self._end(self._pause or self._begin_look(utterance, detection, weigh=False))

    def drop(self) -> None:
        """Forget the turn that is open; those before it get their answer."""
        self._hearing.close_utterance()
        if self._pause is not None:
            self._pause.withdraw_answer()
            self._pause = None
        self._reset()
        self._answer_turns()

    def outdate(self) -> None:
        """Settings or the conversation have changed: what was begun in advance answers something else."""
        if self._pause is not None:
            self._pause.withdraw_answer()

    async def transcribe(self, message: Message, pcm: Pcm) -> None:
        """Make out the words of a message that the client gave as audio; waits while many others are on the way."""
        while len(self._looks) >= _MOST_LOOKS:
            await asyncio.wait(self._looks, return_when=asyncio.FIRST_COMPLETED)
        utterance = self._hearing.new_utterance(message.id)
        ending = Ending(utterance, message, Timeline(), create_response=False, decided=True)

        async def look() -> None:
            await self._understanding.hear_clip(utterance, pcm)
            await self._look(ending, None)

        self._unanswered.append(ending)
        self._begin(look())

    # Deciding

    def _note(self, decision: Decision) -> None:
        timeline, arrivals = self._hearing.timeline, self._hearing.arrivals
        match decision:
            case Paused():
                timeline.speech_ended = arrivals.at(decision.at)
                timeline.stamp("pause_seen")
            case Resumed():
                self._hearing.timeline = Timeline()

    def _decide(self, decision: Decision, detection: ServerVad | SemanticVad) -> None:
        match decision:
            case SpeechBegan():
                self._speech_began(decision, detection)
            case Paused() if self._hearing.utterance is not None:
                self._pause = self._begin_look(self._hearing.utterance, detection, weigh=True)
            case Resumed() if self._pause is not None:
                self._pause.withdraw_answer()
                self._pause = None
            case TurnEnded() if self._pause is not None:
                self._hearing.close_utterance()
                self._place.outlet.emit(SpeechStopped(self._pause.message.id, decision.at))
                self._end(self._pause)
            case Overlapped() | Persisted() | Overheard() | Lifted():
                self._overlap.take(decision)
            case Idle():
                message = Message(new_id("item"), "user", "", spoken=True)
                self._place.outlet.emit(IdleTimeout(message.id, decision.start, decision.end))
                self._add(message)
                self.respond(Respond())

    def _speech_began(self, speech: SpeechBegan, detection: ServerVad | SemanticVad) -> None:
        if detection.interrupt_response and not self._answers.stop("turn_detected"):
            # Nothing of the answer was heard: if this is only a cough, it has to be given again.
            self._unanswered, self._taken_up = self._taken_up + self._unanswered, []
        padding_s = self._place.engine.settings.turn.prefix_padding_s
        if isinstance(detection, ServerVad):
            padding_s = detection.prefix_padding_s
        since = self._hearing.open_utterance(max(speech.at - samples(padding_s), 0))
        utterance = self._hearing.utterance
        assert utterance is not None
        self._place.outlet.emit(SpeechStarted(utterance.item_id, since))
        self._overlap.over()

    def _end(self, ending: Ending) -> None:
        """The turn is over: it becomes a message of the conversation."""
        self._pause = None
        ending.decided = True
        ending.timeline.stamp("turn_decided")
        self._add(ending.message)
        self._tasks.create_task(self._understanding.remember_manner(ending))
        self._place.conversation.keep_sound(self._place.engine.settings.decoder.context_tokens)
        # What nobody has asked an answer for, and nobody is going to, is not kept for ever.
        self._unanswered = [turn for turn in self._unanswered if turn.create_response or not turn.understood]
        self._unanswered.append(ending)
        if ending.understood:
            self._conclude(ending)

    def _add(self, message: Message) -> None:
        if message.id in self._place.conversation:  # a client has taken the id for an item of its own
            message.id = new_id("item")
        after = self._place.conversation.insert(message)
        for event in (Committed(message.id, after), ItemAdded(message, after), ItemDone(message, after)):
            self._place.outlet.emit(event)

    # Understanding

    def _follow(self) -> None:
        """Let the open turn be heard as far as it has come, if that is not being done already."""
        utterance = self._hearing.utterance
        busy = self._following is not None and not self._following.done()
        if utterance is not None and self._pause is None and not busy and utterance.has_news:
            self._following = self._tasks.create_task(self._read_along(utterance))

    async def _read_along(self, utterance: Utterance) -> None:
        heard = await self._understanding.listen(utterance)
        # At a pause that has come meanwhile, an answer may have been begun on more than this.
        still_open = utterance is self._hearing.utterance and self._pause is None
        if heard is not None and still_open and self._place.prompt.idle and self._answers.active is None:
            await self._understanding.read_along(utterance, heard)

    def _begin_look(self, utterance: Utterance, detection: ServerVad | SemanticVad | None, *, weigh: bool) -> Ending:
        """Begin to make out what was said; `weigh` it too, as the turn may not be over."""
        message = Message(utterance.item_id, "user", None, spoken=True)
        answered = detection is not None and detection.create_response
        ending = Ending(utterance, message, self._hearing.timeline, answered)
        self._begin(self._look(ending, detection if weigh and isinstance(detection, SemanticVad) else None))
        return ending

    def _begin(self, look: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(look)
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    async def _look(self, ending: Ending, semantic: SemanticVad | None) -> None:
        """Make out what was said; find out whether it is complete; begin to answer.

        A decoder that hears begins on the sound: the words are made out at the same time, and will tell whether it was
        speech at all.
        """
        async with asyncio.TaskGroup() as looks:
            if ending.utterance.sounding:
                looks.create_task(self._look_at_sound(ending))
            looks.create_task(self._look_at_words(ending, semantic))
        if ending.message.readable and ending.answer is None:
            self._begin_early(ending)
        ending.understood = True
        if ending.decided:
            self._conclude(ending)

    async def _look_at_sound(self, ending: Ending) -> None:
        await self._understanding.make_out_sound(ending)
        if not ending.message.sound or self._begin_early(ending):
            return
        if self._pause is ending and self._place.prompt.idle and self._answers.active is None:
            await self._understanding.read_sound(ending.message.id, ending.message.sound)

    async def _look_at_words(self, ending: Ending, semantic: SemanticVad | None) -> None:
        await self._understanding.make_out(ending)
        words = ending.message.text
        if semantic is not None and self._pause is ending and self._answers.active is None:
            probability = await self._understanding.end_of_turn(ending.message.id, words or "")
            probability = await self._seconded(probability)
            if self._pause is ending:
                wait = patience(self._place.engine.settings.turn, semantic, words or "", probability)
                self._hearing.turn.be_patient(wait)

    async def _seconded(self, probability: float | None) -> float | None:
        """The probability that the turn is over, if a second opinion is asked for, in both opinions.

        Where the decoder can't tell, the other one is asked for a yes or no: it is another kind of number.
        """
        engine, sound = self._place.engine, self._hearing.recent()
        if (opinion := engine.second_opinion) is None:
            return probability
        second = await engine.workers.run(Urgency.TAIL, lambda: opinion.probability(sound))
        return float(second >= 0.5) if probability is None else probability * second

    def _begin_early(self, ending: Ending) -> bool:
        """Begin to answer if it is the time for that; whether it was."""
        speculate = self._place.engine.settings.turn.speculate and ending.create_response
        if not (speculate and self._pause is ending and not self._unanswered and self._answers.active is None):
            return False
        ending.answer = self._answers.prepare(ending.message, ending.timeline)
        return ending.answer is not None

    # Answering

    def _conclude(self, ending: Ending) -> None:
        """The turn is over and its words are made out."""
        self._understanding.tell(ending)
        is_there = ending.message.readable and ending.message.id in self._place.conversation
        if not is_there and ending in self._unanswered:
            ending.withdraw_answer()
            self._unanswered.remove(ending)
        self._answer_turns()

    def _answer_turns(self) -> None:
        """Answer the turns that wait for it, all at once, if the time has come."""
        if not any(turn.create_response for turn in self._unanswered):
            return
        if not all(turn.understood for turn in self._unanswered):
            return
        newest = self._unanswered[-1]
        if self._hearing.utterance is not None:
            # The person has gone on meanwhile: the next turn's answer will be for all.
            newest.withdraw_answer()
        elif (active := self._answers.active) is not None:
            newest.withdraw_answer()
            self._tasks.create_task(self._answer_behind(active))
        elif newest.answer is not None:
            self._taken_up, self._unanswered = self._unanswered, []
            self._answers.give(newest.answer)
        else:
            self.respond(Respond())

    async def _answer_behind(self, active: Answer) -> None:
        """Answer once the answer that must not be interrupted is made."""
        await active.made()
        self._answer_turns()

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
        self._hearing.turn.reset()
