"""A pause that may be the end of a turn: what was said by then, and an answer to it, held back until it is decided."""

from dataclasses import dataclass

from pipeline.answer import Answer
from pipeline.items import Message
from pipeline.timeline import Timeline
from pipeline.utterance import Utterance


@dataclass(slots=True, eq=False)
class Ending:
    """A turn is over when it is `decided`; it can be answered when it is also `understood`."""

    utterance: Utterance
    message: Message
    """What the turn becomes; without words until they are made out."""
    timeline: Timeline
    create_response: bool
    """Whether it is answered unasked."""
    understood: bool = False
    """Whether the words are made out."""
    decided: bool = False
    """Whether the turn is over."""
    error: str | None = None
    """Why the words could not be made out."""
    answer: Answer | None = None
    """Begun in advance, and held back."""

    def withdraw_answer(self) -> None:
        """It would answer what is no longer so."""
        if self.answer is not None:
            self.answer.withdraw()
            self.answer = None
