"""Answers begun while the person still speaks, to words that are probably all; held back until the turn is over."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.answering.answer import Answer
from pipeline.answering.floor import Floor
from pipeline.conversation.items import Message
from pipeline.listening.audio_input import AudioInput
from pipeline.listening.utterance import Utterance, same_words
from pipeline.user_turns.user_turn import UserTurn


@dataclass(frozen=True, slots=True)
class _Early:
    answer: Answer
    words: str
    """What it replies to."""


class EarlyAnswers:
    """The answer to the open turn, if one was begun. It is withdrawn as soon as the turn has other words."""

    def __init__(self, audio_input: AudioInput, floor: Floor, may_answer: Callable[[Message], bool]) -> None:
        """`may_answer` returns whether it is the time to begin to answer a message."""
        self._input = audio_input
        self._floor = floor
        self._may_answer = may_answer
        self._early: _Early | None = None

    def begin(self, utterance: Utterance, words: str) -> None:
        """Begin to answer `words`, which the open turn probably ends with, unless that was done."""
        message = Message(utterance.item_id, "user", words, spoken=True)
        if self._early is not None or not self._may_answer(message):
            return
        if (answer := self._floor.prepare(message, self._input.timeline)) is not None:
            self._early = _Early(answer, words)

    async def check(self, words: str) -> None:
        """Withdraw an answer to other words than these, and wait until it has stopped."""
        if (early := self._early) is not None and not same_words(early.words, words):
            self.withdraw()
            await early.answer.made()

    def withdraw(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            early.answer.withdraw()

    def hand_over(self, turn: UserTurn) -> None:
        """The open turn may be over: its answer is kept or withdrawn with it."""
        early, self._early = self._early, None
        if early is not None:
            turn.prepare(early.answer, early.words)
