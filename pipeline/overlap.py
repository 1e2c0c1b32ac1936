"""Speech over the agent's voice: play quieter at once, wait when it lasts, and find out whether it takes the floor."""

import asyncio
import logging
from typing import Literal

from pipeline.answer import Place
from pipeline.answers import Answers
from pipeline.backchannel import takes_the_floor
from pipeline.encoders.encoder import Heard
from pipeline.endpointing import samples
from pipeline.events import Playback
from pipeline.hearing import Hearing
from pipeline.turn import Lifted, Overheard, Overlapped, Persisted
from pipeline.workers import Urgency
from tts.synthesizer import Pcm

log = logging.getLogger(__name__)

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
                self._tasks.create_task(self._judge(decision))
            case Lifted():
                self.over()

    def over(self) -> None:
        """Nobody speaks over the agent's voice: it is as it was."""
        self._newest = None
        self._answers.go_on()
        if self._changed:
            self._play("full")

    async def _judge(self, overheard: Overheard) -> None:
        padding = samples(self._place.engine.settings.turn.prefix_padding_s)
        pcm = self._hearing.since(overheard.since - padding)
        try:
            text = await self._words(pcm)
        except Exception:
            log.exception("what was said over an answer could not be made out")
            text = ""
        if self._newest is overheard:
            words = self._place.engine.settings.turn.backchannels
            barge_in = takes_the_floor(text, overheard.going_on, words)
            log.debug("over the answer: %r, %s", text, "a barge-in" if barge_in else "nothing that stops it")
            self._hearing.turn.judge(barge_in)

    async def _words(self, pcm: Pcm) -> str:
        engine = self._place.engine

        def listen() -> Heard:
            stream = engine.encoder.open()
            stream.push(pcm)
            return stream.finish()

        return (await engine.workers.run(Urgency.TAIL, listen)).text

    def _play(self, state: Literal["full", "ducked", "paused"]) -> None:
        self._changed = state != "full"
        self._place.outlet.emit(Playback(state))
