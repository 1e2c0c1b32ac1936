"""Speech over the agent's voice: play more quietly at once, pause when it lasts, and find out what it means."""

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

from audio.pcm import Pcm
from pipeline.answering.context import AnswerContext
from pipeline.answering.floor import Floor
from pipeline.commands import ServerVad
from pipeline.encoders.encoder import EncoderStream, Glance, GlancingStream, on_thread
from pipeline.events import HeardOverAnswer, Playback, ResumedAnswer
from pipeline.listening.audio_input import AudioInput
from pipeline.listening.endpointing import phrases, samples
from pipeline.listening.overlap import Overheard, Persisted, Released
from pipeline.listening.turn_taking import Lifted, Overlapped
from pipeline.listening.wording.backchannels import Meaning, OverheardWords, has_words, meaning
from pipeline.runtime.workers import Urgency

log = logging.getLogger(__name__)

OverlapDecision = Overlapped | Persisted | Released | Overheard | Lifted

_SURE = 0.0
"""Mean log-probability of words that a recognizer without a quick look found: it does not say how sure it is."""
_DOUBTED = -0.6
"""The same of words that only a second look found: enough to stop the agent if they ask for that, and to be kept."""


class BargeIn:
    """Carries out what turn taking decides about speech over the voice of one conversation's agent."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        context: AnswerContext,
        audio_input: AudioInput,
        floor: Floor,
        keep: Callable[[str, Meaning], None],
    ) -> None:
        """`keep` takes words that were understood and began no turn, and what they mean."""
        self._tasks = tasks
        self._context = context
        self._input = audio_input
        self._floor = floor
        self._keep = keep
        self._phrases = phrases(context.engine.settings.turn)
        self._changed = False
        """Whether the listener was instructed to play otherwise than usual."""

    def take(self, decision: OverlapDecision) -> None:
        match decision:
            case Overlapped() | Persisted() if not self._floor.worth_resuming:
                # Nobody is being talked over: it is a turn.
                decision.overlap.claim()
            case Overlapped():
                self._play("ducked")
            case Persisted() if self._stops_at_once:
                decision.overlap.claim()
            case Persisted():
                if self._context.outlet.follows:
                    self._floor.hold()
                self._play("paused")
            case Released():
                self._play("ducked", self._floor.resume())
            case Overheard():
                padding = samples(self._context.engine.settings.turn.prefix_padding_s)
                self._tasks.create_task(self._judge(decision, self._input.since(decision.since - padding)))
            case Lifted():
                if has_words(decision.overlap.text):
                    self._keep(decision.overlap.text, Meaning.ASIDE)
                self.over()

    @property
    def _stops_at_once(self) -> bool:
        """Whether the listener's loudspeaker stops for nothing but the start of speech, as `server_vad` promises it."""
        detection = self._context.settings().turn_detection
        interrupts = isinstance(detection, ServerVad) and detection.interrupt_response
        return interrupts and not self._context.outlet.follows

    def over(self) -> None:
        """Nobody speaks over the agent's voice: play it as usual."""
        resumed = self._floor.resume()
        if self._changed:
            self._play("full", resumed)

    async def _judge(self, look: Overheard, pcm: Pcm) -> None:
        engine = self._context.engine
        stream = engine.encoder.open()
        try:
            glance = await on_thread(engine.workers, Urgency.TAIL, stream, lambda: _glance(stream, pcm))
        except Exception:
            log.exception("speech over an answer could not be transcribed")
            look.overlap.judge(look, Meaning.NOTHING)
            return
        if glance.text and not glance.doubted and not look.overlap.over:
            self._context.outlet.emit(HeardOverAnswer(glance.text))
        found = self._meaning(OverheardWords(glance.text, glance.logprob, glance.doubted, look.going_on))
        text = glance.text if found in (Meaning.BACKCHANNEL, Meaning.ASIDE) and not look.going_on else ""
        look.overlap.judge(look, found, text)
        if found is Meaning.NOTHING and glance.doubted and not look.going_on:
            await self._look_again(look, stream)

    async def _look_again(self, look: Overheard, stream: EncoderStream) -> None:
        """Take a second, expensive look at what the first one doubted, while the agent speaks on."""
        try:
            heard = await on_thread(self._context.engine.workers, Urgency.LISTEN, stream, stream.finish)
        except Exception:
            log.exception("speech over an answer could not be transcribed")
            return
        if heard.text and look.overlap.is_newest(look):
            found = self._meaning(OverheardWords(heard.text, _DOUBTED))
            if look.overlap.over and has_words(heard.text):
                self._keep(heard.text, found)
            elif not look.overlap.over:
                look.overlap.judge(look, found, heard.text)

    def _meaning(self, heard: OverheardWords) -> Meaning:
        found = meaning(heard, self._phrases, self._floor.said)
        log.debug("over the answer: %r (%.2f): %s", heard.text, heard.logprob, found.name)
        return found

    def _play(self, state: Literal["full", "ducked", "paused"], resumed: ResumedAnswer | None = None) -> None:
        self._changed = state != "full"
        self._context.outlet.emit(Playback(state, resumed))


def _glance(stream: EncoderStream, pcm: Pcm) -> Glance:
    stream.push(pcm)
    return stream.glance() if isinstance(stream, GlancingStream) else Glance(stream.finish().text, _SURE, doubted=False)
