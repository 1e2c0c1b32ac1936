"""One turn of the person, from its first pause to its answer. Pure."""

from enum import Enum, auto

from pipeline.answering.answer import Answer
from pipeline.conversation.items import Message
from pipeline.encoders.audio_units import AudioUnit
from pipeline.encoders.encoder import Heard
from pipeline.listening.utterance import Utterance, same_words
from pipeline.runtime.timeline import Timeline


class Stage(Enum):
    """How far a turn has come."""

    PAUSING = auto()
    """Perhaps over; its words are being transcribed."""
    TRANSCRIBED = auto()
    """Perhaps over; its words are known."""
    ENDED = auto()
    """Over; its words are being transcribed."""
    READY = auto()
    """Over and transcribed: it waits for its answer."""
    KEPT = auto()
    """Over and transcribed; nobody answers it before the client asks for a response."""
    AWAITED = auto()
    """An answer was asked for that waits for its words."""
    ANSWERED = auto()
    """The newest answer is for it."""
    DROPPED = auto()
    """Not a turn after all: the person spoke on, or the client cleared it, or it has no words."""


class Step(Enum):
    """What happens to a turn."""

    TRANSCRIBE = auto()
    END = auto()
    ANSWER = auto()
    TAKE_BACK = auto()
    """Its answer was stopped before anybody heard of it."""
    DROP = auto()


_MOVES = {
    (Stage.PAUSING, Step.TRANSCRIBE): Stage.TRANSCRIBED,
    (Stage.PAUSING, Step.END): Stage.ENDED,
    (Stage.TRANSCRIBED, Step.END): Stage.READY,
    (Stage.ENDED, Step.TRANSCRIBE): Stage.READY,
    (Stage.ENDED, Step.ANSWER): Stage.AWAITED,
    (Stage.READY, Step.ANSWER): Stage.ANSWERED,
    (Stage.KEPT, Step.ANSWER): Stage.ANSWERED,
    (Stage.AWAITED, Step.TRANSCRIBE): Stage.ANSWERED,
    (Stage.AWAITED, Step.TAKE_BACK): Stage.ENDED,
    (Stage.ANSWERED, Step.TAKE_BACK): Stage.READY,
    (Stage.DROPPED, Step.TRANSCRIBE): Stage.DROPPED,
}


class UserTurn:
    """A stretch of the person's speech that may become a message, or has; and the answer begun in advance for it."""

    def __init__(
        self,
        utterance: Utterance,
        message: Message,
        timeline: Timeline,
        *,
        create_response: bool,
        interrupts: bool = False,
        stage: Stage = Stage.PAUSING,
    ) -> None:
        """`create_response`: whether the turn is answered without being asked to. `message` has no words yet.

        `interrupts`: whether it was begun over the agent's voice, or when that had just ended.
        """
        self.utterance = utterance
        self.message = message
        self.timeline = timeline
        self.create_response = create_response
        self.interrupts = interrupts
        self.unclear = False
        """Whether somebody spoke of whom no word was recognized."""
        self.error: str | None = None
        """Why the words could not be transcribed."""
        self._answer: Answer | None = None
        self._answered_words: str | None = None
        """What the answer begun in advance replies to, if it was begun before the words were known."""
        self._stage = stage

    @property
    def stage(self) -> Stage:
        return self._stage

    @property
    def pausing(self) -> bool:
        """Whether it may be over, or not."""
        return self._stage in (Stage.PAUSING, Stage.TRANSCRIBED)

    @property
    def waiting(self) -> bool:
        """Whether it is over, and no answer was asked for yet."""
        return self._stage in (Stage.ENDED, Stage.READY, Stage.KEPT)

    @property
    def answered(self) -> bool:
        """Whether the newest answer is for it."""
        return self._stage in (Stage.AWAITED, Stage.ANSWERED)

    @property
    def over(self) -> bool:
        """Whether it has become a message of the conversation."""
        return self.waiting or self.answered

    @property
    def answer(self) -> Answer | None:
        """The answer begun in advance, held back until the turn has ended."""
        return self._answer

    def advance(self, step: Step) -> Stage:
        """Take a step and return the new stage. Raises `ValueError` for a step that the stage does not allow."""
        if step is Step.DROP:
            self._stage = Stage.DROPPED
            return self._stage
        following = _MOVES.get((self._stage, step))
        if following is None:
            raise ValueError(f"a turn that is {self._stage.name} can't {step.name}")
        if following is Stage.READY and not self.create_response:
            following = Stage.KEPT
        if step is Step.TAKE_BACK:
            self._answer = None
        self._stage = following
        return following

    def transcribed(self, heard: Heard) -> None:
        """Take the words in, and how they were said."""
        self.message.text = heard.text
        self.unclear = heard.unclear and not heard.text
        self.message.manner = heard.manner
        self._check_guess()

    def not_transcribed(self, error: str) -> None:
        """Do without words. Where the decoder hears, it is a turn all the same."""
        self.error = error
        self.message.text = None if self.utterance.sounding else ""
        self._check_guess()

    def heard(self, sound: tuple[AudioUnit, ...]) -> None:
        """Take the sound in, for a decoder that hears."""
        self.message.audio_units = sound

    def prepare(self, answer: Answer | None, guess: str | None = None) -> None:
        """Keep an answer that was begun in advance; `guess`: to these words, as the turn's own are not known yet."""
        self._answer = answer
        self._answered_words = guess

    def withdraw_answer(self) -> None:
        """Take back the answer that was begun in advance: it would answer what is no longer so."""
        if self._answer is not None:
            self._answer.withdraw()
            self._answer = None

    def _check_guess(self) -> None:
        guess, self._answered_words = self._answered_words, None
        if guess is not None and not same_words(guess, self.message.text or ""):
            self.withdraw_answer()
