"""Follows the open turn while the person speaks: the encoder hears it, the decoder reads what is understood."""

import asyncio
from collections.abc import Callable

from pipeline.answering.context import AnswerContext
from pipeline.answering.floor import Floor
from pipeline.listening.audio_input import AudioInput
from pipeline.listening.turn_taking import State
from pipeline.listening.utterance import Utterance
from pipeline.user_turns.early_answers import EarlyAnswers
from pipeline.user_turns.transcription import Transcription

_PROBABLY_ALL = 0.2
"""Probability of a turn's end from which its words are answered while the person speaks. Of nine questions of the
corpus, each had 0.23 or more with either profile's decoder, and what begins them less than 0.2, but for "Hello" and
sentences that others follow."""

_HOP_S = 0.25
"""Audio that makes another look worth its cost while somebody speaks."""
_SILENT_HOP_S = 4.0
"""The same while nobody speaks: who ends turns by hand may leave the microphone open between them."""


class Follower:
    """Takes one look at the open turn at a time, until it pauses. What is probably all is answered at once."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        context: AnswerContext,
        audio_input: AudioInput,
        floor: Floor,
        transcription: Transcription,
        early: EarlyAnswers,
        pausing: Callable[[], bool],
    ) -> None:
        """`pausing` returns whether the open turn may be over."""
        self._tasks = tasks
        self._context = context
        self._input = audio_input
        self._floor = floor
        self._transcription = transcription
        self._early = early
        self._pausing = pausing
        self._look: asyncio.Task[None] | None = None

    def follow(self) -> None:
        """Let the open turn be heard as far as it has come, if that is not being done already."""
        utterance = self._input.utterance
        if utterance is None or utterance.busy or self._pausing() or not (self._look is None or self._look.done()):
            return
        silent = self._input.turn.state in (State.LISTENING, State.RESPONDING)
        if utterance.unheard_s >= (_SILENT_HOP_S if silent else _HOP_S):
            self._look = self._tasks.create_task(self._read_along(utterance))

    async def caught_up(self) -> None:
        """Wait until the look that is on its way has been taken, and what it found was read."""
        if self._look is not None:
            await asyncio.wait([self._look])

    async def _read_along(self, utterance: Utterance) -> None:
        heard = await self._transcription.listen(utterance)
        if heard is None or not self._still_open(utterance):
            # At a pause that has come meanwhile, an answer may have been begun on more than this.
            return
        await self._early.check(heard.text)
        if self._still_open(utterance) and self._context.prompt.idle and self._floor.active is None:
            await self._transcription.read_along(utterance, heard)
            words = self._transcription.likely_words(utterance.item_id, _PROBABLY_ALL)
            if words and utterance.in_words and self._still_open(utterance):
                self._early.begin(utterance, words)

    def _still_open(self, utterance: Utterance) -> bool:
        return utterance is self._input.utterance and not self._pausing()
