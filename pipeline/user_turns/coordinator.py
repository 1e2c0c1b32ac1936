"""The person's turns: begun, transcribed while they last, considered at every pause, ended, and answered.

While the person talks, the encoder hears what is new and the decoder reads what is understood. At a pause that may be
the end, the answer begins already, held back. If the person speaks on, it is withdrawn, and nobody knew of it.
"""

import asyncio
from dataclasses import replace

from audio.pcm import Pcm
from pipeline.answering.answer import Answer
from pipeline.answering.context import AnswerContext
from pipeline.answering.floor import Floor
from pipeline.commands import Respond, SemanticVad, ServerVad
from pipeline.conversation.items import Message, as_committed
from pipeline.events import (
    Committed,
    IdleTimeout,
    ItemAdded,
    ItemDone,
    Refused,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
)
from pipeline.listening.audio_input import AudioInput
from pipeline.listening.endpointing import phrases, samples
from pipeline.listening.overlap import Overheard, Persisted, Released
from pipeline.listening.turn_taking import (
    Decision,
    Idle,
    Lasts,
    Lifted,
    Overlapped,
    Paused,
    Resumed,
    SpeechBegan,
    State,
    TurnEnded,
)
from pipeline.listening.utterance import Utterance
from pipeline.listening.wording.backchannels import Meaning, asks_for_silence
from pipeline.runtime.ids import new_id
from pipeline.runtime.timeline import Timeline
from pipeline.user_turns.barge_in import BargeIn
from pipeline.user_turns.early_answers import EarlyAnswers
from pipeline.user_turns.follower import Follower
from pipeline.user_turns.looks import Looks
from pipeline.user_turns.requests import Requests
from pipeline.user_turns.transcription import Transcription
from pipeline.user_turns.user_turn import Stage, Step, UserTurn
from pipeline.user_turns.weighing import Weighing

_MOST_LOOKS = 4
"""Messages of audio that are transcribed at once; the client waits with more."""


_JUST_SPOKE_S = 3.0
"""Silence after the agent's voice in which "stop" still means the voice. It was said to a voice that ran dry meanwhile,
or to one that the listener still hears from its buffer."""


class TurnCoordinator:
    """The user turns of one conversation: carries out what turn taking decides and what the client commands."""

    def __init__(self, tasks: asyncio.TaskGroup, context: AnswerContext, audio_input: AudioInput, floor: Floor) -> None:
        self._tasks = tasks
        self._context = context
        self._input = audio_input
        self._floor = floor
        self._transcription = Transcription(context)
        self._weighing = Weighing(context, audio_input, self._transcription)
        self._early = EarlyAnswers(audio_input, floor, self._may_answer_early)
        self._follower = Follower(
            tasks, context, audio_input, floor, self._transcription, self._early, lambda: self._pausing is not None
        )
        self._looks = Looks(
            tasks,
            context,
            floor,
            self._transcription,
            self._weighing,
            self._follower,
            self._begin_early,
            self._conclude,
        )
        self._barge_in = BargeIn(tasks, context, audio_input, floor, self._keep)
        self._phrases = phrases(context.engine.settings.turn)
        self.requests = Requests(context, audio_input)
        self._turns: list[UserTurn] = []
        """The turns that may still be answered or taken back, the oldest first; at most one of them pauses."""
        self._interrupts = False
        """Whether the open turn was begun over the agent's voice, or when that had just ended."""
        self._overfull = False
        """Whether the client was warned that the turn it commits by hand is too long."""
        self._reading: asyncio.Task[None] | None = None
        """Reads what answers begin with, while nobody has spoken yet."""

    @property
    def at_rest(self) -> bool:
        """Whether nobody speaks, and nothing that was said waits for its words or for an answer."""
        return self._input.turn.state is State.LISTENING and not (
            self._looks.pending or self._waiting or self.requests.waiting
        )

    async def close(self) -> None:
        await self._transcription.close()

    async def hear(self, pcm: Pcm, filler: bool) -> None:
        """Take a block of audio; `filler` is silence that only stands for time that went by."""
        detection = self._context.settings().turn_detection
        in_turn = True if detection is not None else not filler and self._has_room()
        if detection is None and in_turn and self._input.utterance is None:
            self._input.open_utterance(since=self._input.received)
        for decision in await self._input.push(pcm, in_turn):
            if detection is not None:
                self._decide(decision, detection)
        self._floor.settle()
        if self._input.turn.state is not State.OVERLAP:
            self._barge_in.over()
        self._follower.follow()

    def respond(self, request: Respond) -> None:
        """Answer all turns that are over now; the words of the last ones, and of one that is open, are waited for."""
        self.outdate()
        if self.requests.defer(request):
            return
        waiting = self._waiting
        timeline = waiting[-1].timeline if waiting else Timeline()
        if self._floor.respond(request, timeline, frozenset(self._looks.pending)):
            self._take_up()

    def commit(self, event_id: str | None) -> None:
        """End the turn here, because the client says so."""
        speaking = self._input.turn.state is State.HEARING
        utterance, timeline = self._input.close_utterance(), self._input.timeline
        if utterance is None:
            message = "the input audio buffer is empty: append audio before you commit it"
            self._context.outlet.emit(Refused("input_audio_buffer_commit_empty", message, None, event_id))
            return
        self._input.end_speech_here(speaking)
        self._reset()
        detection = self._context.settings().turn_detection
        self._end(self._pausing or self._begin_turn(utterance, timeline, detection, weigh=False))

    def drop(self) -> None:
        """Forget the turn that is open; those before it get their answer."""
        self._input.close_utterance()
        self._drop_pausing()
        self._reset()
        self._answer_turns()

    def read_ahead(self) -> None:
        """Let the decoder read what answers begin with now, so that the first one need not wait for that."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self._tasks.create_task(self._transcription.read_ahead())

    def outdate(self) -> None:
        """Settings or the conversation have changed: what was begun in advance answers something else."""
        self._early.withdraw()
        if (pausing := self._pausing) is not None:
            pausing.withdraw_answer()

    async def transcribe(self, message: Message, pcm: Pcm) -> None:
        """Transcribe a message that the client gave as audio; waits while many others are on the way."""
        while len(self._looks.pending) >= _MOST_LOOKS:
            await asyncio.wait(self._looks.pending, return_when=asyncio.FIRST_COMPLETED)
        utterance = self._input.new_utterance(message.id)
        turn = UserTurn(utterance, message, Timeline(), create_response=False, stage=Stage.ENDED)

        async def look() -> None:
            await self._transcription.hear_clip(utterance, pcm)
            await self._looks.look(turn, None)

        self._turns.append(turn)
        self._looks.begin(look())

    @property
    def _pausing(self) -> UserTurn | None:
        """The turn that may be over."""
        return next((turn for turn in self._turns if turn.pausing), None)

    @property
    def _waiting(self) -> list[UserTurn]:
        """The turns that are over and wait for their words, or for an answer."""
        return [turn for turn in self._turns if turn.waiting]

    @property
    def _answers_by_itself(self) -> bool:
        detection = self._context.settings().turn_detection
        return detection is not None and detection.create_response

    # Deciding

    def _decide(self, decision: Decision, detection: ServerVad | SemanticVad) -> None:
        match decision:
            case SpeechBegan():
                self._speech_began(decision, detection)
            case Paused() if self._input.utterance is not None:
                self._begin_turn(self._input.utterance, self._input.timeline, detection, weigh=True)
            case Lasts() if (pausing := self._pausing) is not None and isinstance(detection, SemanticVad):
                self._tasks.create_task(self._weighing.by_sound(pausing, detection, decision.silence))
            case Resumed():
                self._drop_pausing()
            case TurnEnded() if (pausing := self._pausing) is not None:
                self._input.close_utterance()
                self._context.outlet.emit(SpeechStopped(pausing.message.id, decision.at))
                self._end(pausing)
            case Overlapped() | Persisted() | Released() | Overheard() | Lifted():
                self._barge_in.take(decision)
            case Idle():
                message = Message(new_id("item"), "user", "", spoken=True)
                self._context.outlet.emit(IdleTimeout(message.id, decision.start, decision.end))
                self._add(message)
                self.respond(Respond())

    def _speech_began(self, speech: SpeechBegan, detection: ServerVad | SemanticVad) -> None:
        padding_s = self._context.engine.settings.turn.prefix_padding_s
        if isinstance(detection, ServerVad):
            padding_s = detection.prefix_padding_s
        just_after = speech.since_voice is not None and speech.since_voice <= samples(_JUST_SPOKE_S)
        self._interrupts = speech.interrupting or just_after
        since = self._input.open_utterance(max(speech.at - samples(padding_s), 0))
        utterance = self._input.utterance
        assert utterance is not None
        # Before the end of the answer that it interrupts: clients stop their playback on this event.
        self._context.outlet.emit(SpeechStarted(utterance.item_id, since))
        if detection.interrupt_response and not self._floor.stop("turn_detected"):
            # Nothing of the answer was heard: if this is only a cough, it has to be given again.
            for turn in self._turns:
                if turn.answered:
                    turn.advance(Step.TAKE_BACK)
        self._barge_in.over()

    def _drop_pausing(self) -> None:
        """What paused is not over: the person speaks on, or is to be forgotten."""
        self._early.withdraw()
        if (pausing := self._pausing) is not None:
            self._drop(pausing)

    def _drop(self, turn: UserTurn) -> None:
        turn.withdraw_answer()
        turn.advance(Step.DROP)
        self._turns.remove(turn)

    def _end(self, turn: UserTurn) -> None:
        """The turn is over: it becomes a message of the conversation."""
        stage = turn.advance(Step.END)
        turn.timeline.stamp("turn_decided")
        self._add(turn.message)
        self._tasks.create_task(self._transcription.remember_manner(turn))
        self._context.conversation.keep_audio_units(self._context.engine.settings.decoder.context_tokens)
        # What nobody has asked an answer for, and nobody is going to, is not kept for ever.
        others = [other for other in self._turns if other is not turn and other.stage is not Stage.KEPT]
        self._turns = [*others, turn]
        if stage is not Stage.ENDED:
            self._conclude(turn)

    def _add(self, message: Message) -> None:
        if message.id in self._context.conversation:  # a client has taken the id for an item of its own
            message.id = new_id("item")
        after = self._context.conversation.insert(message)
        committed = as_committed(message)
        for event in (Committed(message.id, after), ItemAdded(committed, after), ItemDone(committed, after)):
            self._context.outlet.emit(event)

    # Understanding

    def _begin_turn(
        self, utterance: Utterance, timeline: Timeline, detection: ServerVad | SemanticVad | None, *, weigh: bool
    ) -> UserTurn:
        """Begin to transcribe what was said; `weigh` it too, as the turn may not be over."""
        message = Message(utterance.item_id, "user", None, spoken=True)
        turn = UserTurn(
            utterance, message, timeline, create_response=self._answers_by_itself, interrupts=self._interrupts
        )
        self._early.hand_over(turn)
        self._turns.append(turn)
        self._looks.begin(self._looks.look(turn, detection if weigh and isinstance(detection, SemanticVad) else None))
        return turn

    def _begin_early(self, turn: UserTurn, guess: str | None = None) -> bool:
        """Begin to answer if it is the time for that; whether it was. `guess`: the words, if they are not known yet."""
        message = turn.message if guess is None else replace(turn.message, text=guess)
        if not (turn.create_response and turn.pausing and self._may_answer_early(message)):
            return False
        turn.prepare(self._floor.prepare(message, turn.timeline), guess)
        return turn.answer is not None

    def _may_answer_early(self, message: Message) -> bool:
        """Whether it is the time to begin to answer what the open turn may become."""
        speculate = self._context.engine.settings.turn.speculate and self._answers_by_itself
        busy = self._waiting or self.requests.waiting or self._floor.active is not None
        return speculate and not busy and not self._hushes(message, self._interrupts)

    # Answering

    def _conclude(self, turn: UserTurn) -> None:
        """The turn is over and transcribed."""
        self._transcription.report(turn)
        is_there = turn.message.readable and turn.message.id in self._context.conversation
        if not is_there and turn.waiting:
            self._drop(turn)
            self._admit(turn)
        elif is_there and self._hushes(turn.message, turn.interrupts):
            # It is remembered, and so is what it stopped; neither is answered.
            for waiting in self._waiting:
                self._drop(waiting)
        self._answer_turns()

    def _admit(self, turn: UserTurn) -> None:
        """Say that nothing was understood, if somebody spoke and nobody else is to be answered."""
        words = self._context.engine.settings.agent.not_understood
        alone = self._input.utterance is None and not self._waiting and self._floor.active is None
        if turn.unclear and turn.create_response and words and alone:
            self._floor.respond(Respond(words=words), turn.timeline, ())

    def _hushes(self, message: Message, interrupts: bool) -> bool:
        """Whether a message asks the agent to be silent, and for nothing else."""
        return interrupts and asks_for_silence(message.text or "", self._phrases)

    def _keep(self, text: str, meaning: Meaning) -> None:
        """Remember words said over the agent's voice that began no turn; answer them if they take the floor late."""
        message = Message(new_id("item"), "user", text, spoken=True)
        after = self._context.conversation.insert(message)
        self.outdate()
        for event in (ItemAdded(message, after), ItemDone(message, after)):
            self._context.outlet.emit(event)
        if self._context.settings().transcribe:
            self._context.outlet.emit(Transcribed(message.id, text, text))
        if meaning is not Meaning.TURN or self._input.utterance is not None:
            return
        self._floor.stop("turn_detected")
        if not asks_for_silence(text, self._phrases):
            self.respond(Respond())

    def _answer_turns(self) -> None:
        """Answer the turns that wait for it, all at once, if the time has come."""
        if (request := self.requests.take()) is not None:
            self.respond(request)
        waiting = self._waiting
        if not any(turn.create_response for turn in waiting) or any(turn.stage is Stage.ENDED for turn in waiting):
            return
        newest = waiting[-1]
        if self._input.utterance is not None:
            # The person speaks again meanwhile: the next turn's answer will be for all.
            newest.withdraw_answer()
        elif (active := self._floor.active) is not None:
            newest.withdraw_answer()
            self._tasks.create_task(self._answer_after(active))
        elif newest.answer is not None:
            self._take_up()
            self._floor.give(newest.answer)
        else:
            self.respond(Respond())

    def _take_up(self) -> None:
        """The newest answer is for all turns that waited for one; those before them are done with."""
        waiting = self._waiting
        for turn in waiting:
            turn.advance(Step.ANSWER)
        self._turns = [turn for turn in self._turns if turn.pausing or turn in waiting]

    async def _answer_after(self, active: Answer) -> None:
        """Answer once the answer that must not be interrupted is made."""
        await active.made()
        self._answer_turns()

    # Turns that the client ends

    def _has_room(self) -> bool:
        """A turn that the client commits by hand is bounded too."""
        utterance, limit_s = self._input.utterance, self._context.engine.settings.turn.max_turn_s
        if utterance is None or utterance.seconds < limit_s:
            return True
        if not self._overfull:
            self._overfull = True
            message = f"the input audio buffer holds {limit_s:g} s, its limit: audio is dropped until it is committed"
            self._context.outlet.emit(Refused("input_audio_buffer_full", message))
        return False

    def _reset(self) -> None:
        self._overfull = False
        self._input.turn.reset()
