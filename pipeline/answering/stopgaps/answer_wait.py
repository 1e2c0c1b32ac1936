"""What is said while an answer has no words yet. Pure."""

from audio.pcm import INPUT_RATE
from pipeline.answering.stopgaps.patience import Patience
from pipeline.settings import StopgapSettings
from pipeline.thinking.schedule import Mode
from pipeline.thinking.thinking_aloud import ThinkingAloud
from tts.frontend.clauses import clauses_of
from tts.synthesizer import Clause

_LEAD_S = 0.6
"""Seconds left to play with which the next clause is in time: it has to be synthesized."""


class AnswerWait:
    """The wait for the first words of one answer: it is announced, and filled with what the model thinks aloud."""

    def __init__(self, waits: StopgapSettings, mode: Mode, thoughts: ThinkingAloud) -> None:
        """`mode`: a model that thinks before it speaks is announced sooner."""
        thinks_first = mode in ("before", "think_first")
        first_s, first = (waits.thought_s, waits.thoughtful) if thinks_first else (waits.model_s, waits.thinking)
        self._patience = Patience(round(first_s * INPUT_RATE), round(waits.again_s * INPUT_RATE), (first, *waits.again))
        self._thoughts = thoughts
        self._conclusion = clauses_of(waits.concluding)
        self._to_conclude = False
        """Whether thoughts were taken since the last words."""

    def due(self, silent: int, lead_s: float) -> list[Clause]:
        """What to say now; nothing: not yet.

        `silent`: samples of silence until now. `lead_s`: seconds of this answer's speech that are left to play.
        """
        if self._patience.begun and lead_s < _LEAD_S and (thought := self._thoughts.take()):
            self._to_conclude = True
            return thought
        return clauses_of(self._patience.due(silent))

    def over(self, lead_s: float) -> list[Clause]:
        """Words begin to be written. What to say before them, so that they are heard as what follows."""
        rest = self._thoughts.end(in_silence=self._patience.begun and lead_s < _LEAD_S)
        concludes, self._to_conclude = self._to_conclude or bool(rest), False
        return [*rest, *self._conclusion] if concludes else []
