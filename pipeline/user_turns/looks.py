"""The last looks at turns that may be over: what was said, whether it is complete, and an answer begun meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pipeline.answering.context import AnswerContext
from pipeline.answering.floor import Floor
from pipeline.commands import SemanticVad
from pipeline.user_turns.follower import Follower
from pipeline.user_turns.transcription import Transcription
from pipeline.user_turns.user_turn import Step, UserTurn
from pipeline.user_turns.weighing import Weighing

_PERHAPS_ALL = 0.02
"""Probability of a turn's end from which its words are answered at a pause: those of broken-off texts are mostly lower
(docs/benchmarks.md)."""


class _BeginEarly(Protocol):
    def __call__(self, turn: UserTurn, guess: str | None = None) -> bool:
        """Begin to answer `turn` if it is the time for that; whether it was.

        `guess`: its words, if they are not known yet.
        """


class Looks:
    """Takes a look at a turn in a task of its own; an answer waits for those that are on their way."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        context: AnswerContext,
        floor: Floor,
        transcription: Transcription,
        weighing: Weighing,
        follower: Follower,
        begin_early: _BeginEarly,
        conclude: Callable[[UserTurn], None],
    ) -> None:
        """`conclude` is called with a turn that is over, once it is transcribed."""
        self._tasks = tasks
        self._context = context
        self._floor = floor
        self._transcription = transcription
        self._weighing = weighing
        self._follower = follower
        self._begin_early = begin_early
        self._conclude = conclude
        self.pending: set[asyncio.Task[None]] = set()
        """Those that are on their way."""

    def begin(self, look: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(look)
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)

    async def look(self, turn: UserTurn, semantic: SemanticVad | None) -> None:
        """Transcribe what was said, find out whether it is complete, and begin to answer.

        A decoder that hears begins on the sound: the words are transcribed at the same time, and show whether it was
        speech at all. Words that the decoder has read already are answered while the last look is taken at them.
        """
        async with asyncio.TaskGroup() as looks:
            if turn.utterance.sounding:
                looks.create_task(self._look_at_sound(turn))
            looks.create_task(self._look_at_words(turn, semantic))
        if turn.message.readable and turn.answer is None:
            self._begin_early(turn)
        turn.advance(Step.TRANSCRIBE)
        if turn.over:
            self._conclude(turn)

    async def _look_at_sound(self, turn: UserTurn) -> None:
        await self._transcription.finish_sound(turn)
        if not turn.message.audio_units or self._begin_early(turn):
            return
        if turn.pausing and self._context.prompt.idle and self._floor.active is None:
            await self._transcription.read_sound(turn.message.id, turn.message.audio_units)

    async def _look_at_words(self, turn: UserTurn, semantic: SemanticVad | None) -> None:
        ahead = self._tasks.create_task(self._look_ahead(turn))
        await self._transcription.finish(turn)
        ahead.cancel()
        if semantic is not None and turn.pausing and self._floor.active is None:
            await self._weighing.by_words(turn, semantic)

    async def _look_ahead(self, turn: UserTurn) -> None:
        """Begin to answer what the decoder has read of the turn, if those may be all its words."""
        await self._follower.caught_up()
        guess = self._transcription.likely_words(turn.message.id, _PERHAPS_ALL)
        if guess and turn.utterance.in_words and turn.answer is None:
            self._begin_early(turn, guess)
