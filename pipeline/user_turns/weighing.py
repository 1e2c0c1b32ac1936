"""Weighs, while a turn pauses, whether it is over: by its words, and by its sound as the silence grows."""

import logging
from dataclasses import dataclass, replace

from audio.pcm import INPUT_RATE
from pipeline.answering.context import AnswerContext
from pipeline.commands import SemanticVad
from pipeline.conversation.items import Message
from pipeline.listening.audio_input import AudioInput
from pipeline.listening.completeness import Evidence
from pipeline.listening.endpointing import patience
from pipeline.user_turns.transcription import Transcription
from pipeline.user_turns.user_turn import UserTurn

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pause:
    """What was found in one pause."""

    turn: UserTurn
    words: Evidence | None = None
    """The evidence of the words alone."""
    sound: tuple[float | None, float] | None = None
    """Probability by the newest look at the sound, None if that failed, and the silence in seconds that it heard."""
    sounded: bool = False
    """Whether its sound has been looked at, or is being."""
    due: int | None = None
    """Samples of silence at a later look, which waits for the words: they may end the turn without it."""


class Weighing:
    """Sets the wait for the end of the turn that pauses, from what is known of it so far."""

    def __init__(self, context: AnswerContext, audio_input: AudioInput, transcription: Transcription) -> None:
        self._context = context
        self._input = audio_input
        self._transcription = transcription
        self._pause: _Pause | None = None

    async def by_words(self, turn: UserTurn, detection: SemanticVad) -> None:
        """Ask the decoder whether the words of `turn` are complete."""
        words = turn.message.text or ""
        probability = await self._transcription.end_of_turn(turn.message.id, words)
        pause = self._of(turn)
        pause.words = Evidence(words, self._asked(), probability)
        wait = self._set_wait(turn, detection)
        if pause.due is not None and wait is not None and wait > pause.due:
            await self._judge_sound(turn, detection, pause.due)

    async def by_sound(self, turn: UserTurn, detection: SemanticVad, silence: int) -> None:
        """Ask how finished `turn` sounds, `silence` samples into the pause, if there is a model for that."""
        pause = self._of(turn)
        if pause.sounded and pause.words is None:
            pause.due = silence
        else:
            await self._judge_sound(turn, detection, silence)

    async def _judge_sound(self, turn: UserTurn, detection: SemanticVad, silence: int) -> None:
        if (opinion := self._context.engine.second_opinion) is None:
            return
        self._of(turn).sounded = True
        sound, probability = self._input.turn_so_far(), None
        try:
            probability = await self._context.engine.workers.aside(lambda: opinion.probability(sound))
        except Exception:
            log.exception("the sound of a turn could not be judged; its words decide when it is over")
        self._of(turn).sound = probability, silence / INPUT_RATE
        self._set_wait(turn, detection)

    def _set_wait(self, turn: UserTurn, detection: SemanticVad) -> int | None:
        """Only once both opinions are there: until then, the wait is the longest one. Returns the wait in samples."""
        found = self._of(turn)
        if found.words is None or not turn.pausing:
            return None
        evidence = found.words
        if self._context.engine.second_opinion is not None:
            if found.sound is None:
                return None
            probability, silence_s = found.sound
            evidence = replace(evidence, by_sound=probability, silence_s=silence_s)
        wait = patience(self._context.engine.settings.turn, detection, evidence)
        log.debug("%s: wait for %.2f s", evidence, wait / INPUT_RATE)
        self._input.turn.be_patient(wait)
        return wait

    def _of(self, turn: UserTurn) -> _Pause:
        if self._pause is None or self._pause.turn is not turn:
            self._pause = _Pause(turn)
        return self._pause

    def _asked(self) -> str:
        """What the agent said last."""
        said = (item for item in reversed(list(self._context.conversation)) if isinstance(item, Message))
        return next((message.text or "" for message in said if message.role == "assistant"), "")
