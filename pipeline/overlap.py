"""Speech over the agent's voice: play quieter at once, wait when it lasts, and find out whether it takes the floor."""

import asyncio
import logging
from typing import Literal

from pipeline.answers import Answers
from pipeline.audio import INPUT_RATE
from pipeline.backchannel import beyond, breaks_in, hums_unlike
from pipeline.encoders.encoder import Overhearing
from pipeline.endpointing import samples
from pipeline.events import Playback
from pipeline.hearing import Hearing
from pipeline.place import Place
from pipeline.turn import Lifted, Overheard, Overlapped, Persisted
from pipeline.workers import Urgency
from tts.synthesizer import Pcm

log = logging.getLogger(__name__)

_SURE = 7.0
"""Natural logarithm of how much likelier words must be than any hum. Of 130 hums in eleven synthetic voices, each at
two speeds, 4 % came to more; of 182 barge-ins in the same voices, half of them one word, 2 % came to less, those left
aside that begin as interruptions do."""
_LONGEST_HUM = 2 * INPUT_RATE
"""Nobody hums for longer, with what was kept from before."""

OverlapDecision = Overlapped | Persisted | Overheard | Lifted


class Overlap:
    """That of one conversation."""

    def __init__(self, tasks: asyncio.TaskGroup, place: Place, hearing: Hearing, answers: Answers) -> None:
        self._tasks = tasks
        self._place = place
        self._hearing = hearing
        self._answers = answers
        self._newest: Overheard | None = None
        self._changed = False
        """Whether the listener was told to play otherwise than usual."""

    def take(self, decision: OverlapDecision) -> None:
        match decision:
            case Overlapped() | Persisted() if not self._answers.worth_going_on:
                # It is a turn, as nobody is being talked over.
                self._hearing.turn.judge(barge_in=True)
            case Overlapped():
                self._play("ducked")
            case Persisted():
                if self._place.outlet.follows:
                    self._answers.hold()
                self._play("paused")
            case Overheard():
                self._newest = decision
                padding = samples(self._place.engine.settings.turn.prefix_padding_s)
                self._tasks.create_task(self._judge(decision, self._hearing.since(decision.since - padding)))
            case Lifted():
                self.over()

    def over(self) -> None:
        """Nobody speaks over the agent's voice: it is as it was."""
        self._newest = None
        self._answers.go_on()
        if self._changed:
            self._play("full")

    async def _judge(self, overheard: Overheard, pcm: Pcm) -> None:
        engine = self._place.engine
        try:
            barge_in = await engine.workers.run(Urgency.TAIL, lambda: self._takes_the_floor(pcm, overheard.going_on))
        except Exception:
            log.exception("what was said over an answer could not be made out")
            barge_in = False
        if self._newest is overheard:
            self._hearing.turn.judge(barge_in)

    def _takes_the_floor(self, pcm: Pcm, going_on: bool) -> bool:
        engine = self._place.engine
        stream = engine.encoder.open()
        stream.push(pcm)
        text = stream.glance() if isinstance(stream, Overhearing) else ""
        if not text and not going_on:
            text = stream.finish().text
        phrases = engine.settings.turn
        words = beyond(text, going_on, phrases.backchannels)
        takes_it = bool(words)
        sure = breaks_in(words, phrases.interruptions) or len(pcm) >= _LONGEST_HUM
        if takes_it and not sure and isinstance(stream, Overhearing):
            # Recognizers know few hums, and write what sounds like one: "scan them home", "and I'm hum".
            takes_it = stream.margin(text, hums_unlike(text)) > _SURE
        log.debug("over the answer: %r, %s", text, "a barge-in" if takes_it else "nothing that stops it")
        return takes_it

    def _play(self, state: Literal["full", "ducked", "paused"]) -> None:
        self._changed = state != "full"
        self._place.outlet.emit(Playback(state))
