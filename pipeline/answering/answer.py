"""One answer's life: asked for, made, perhaps held back or stopped, and remembered as far as it was played."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection
from functools import partial
from typing import Any, Literal

from audio.errors import first_error
from audio.pcm import Pcm
from pipeline.answering.context import AnswerContext
from pipeline.answering.delivery import Delivery
from pipeline.answering.fallback import Apologetic, explained, fault_of, refusal_code
from pipeline.answering.gate import Gate
from pipeline.answering.generation import mode_of, write_what_fits
from pipeline.answering.output_items import OutputItems
from pipeline.answering.speech_lead import SpeechLead
from pipeline.answering.speech_stage import SpeechStage
from pipeline.answering.stopgaps.answer_wait import AnswerWait
from pipeline.answering.text_stage import write_out
from pipeline.commands import ItemReference, Respond
from pipeline.conversation.items import Item, Message
from pipeline.conversation.spoken_words import played_text
from pipeline.decoders.decoder import DecoderError, Finished, Generated, Token
from pipeline.events import Fault, ItemTruncated, ResponseDone, ResponseStarted, ResumedAnswer, StopReason, Usage
from pipeline.runtime.ids import new_id
from pipeline.runtime.timeline import Timeline
from pipeline.thinking.streams import StreamContext
from pipeline.thinking.thinking_aloud import ThinkingAloud
from tts.synthesizer import Clause, Paced, SpeechFailed, Voice

log = logging.getLogger(__name__)

_WORTH_S = 0.5
"""With less than this left to play, speech counts as the next turn: the user was waiting for the end."""
_NEAR_S = 2
"""How far a listener who plays from a buffer may be from where the agent reckons that they are."""


class Answer:
    """One answer's life: its task makes it, stopping it is cancelling that task, and the history keeps what was said.

    `pending` is a message that the answer replies to and that is not in the conversation yet: then the answer is held
    back until `release`, and `withdraw` takes it back without a trace. `stopgap`: it only fills the time until
    a tool has run. Raises `UnknownVoice` for a voice that does not exist, before anything has begun.
    """

    def __init__(
        self,
        request: Respond,
        context: AnswerContext,
        timeline: Timeline,
        *,
        pending: Message | None = None,
        stopgap: bool = False,
    ) -> None:
        self._request = request
        self._settings = settings = request.override(context.settings())
        self._context = context
        self._pending = pending
        self._is_stopgap = stopgap
        self._input = _found(request, context)
        self._id = new_id("resp")
        speaking = settings.modality == "audio"
        voice = context.engine.synthesizer.open(settings.voice) if speaking else None
        if isinstance(voice, Paced) and settings.speed != 1:
            voice = voice.at_speed(settings.speed)
        self._voice = voice
        # One way: what is produced enters the items, their events pass the gate, and what it lets out is delivered.
        self._delivery = Delivery(self._id, settings.output_rate, context, into_conversation=request.into_conversation)
        self._gate = Gate(self._delivery.emit, context.outlet, settings.output_rate)
        self._items = OutputItems(
            self._id, settings.modality, settings.output_rate, self._gate, timeline, stopgap=stopgap
        )
        self._task: asyncio.Task[None] | None = None
        self._released_at: int | None = None
        self.awaited_since = 0
        """The input sample since which, as far as is known, the listener waits for its first words."""
        self._lasting: str | None = None
        """The code of the lasting reason why it failed."""

    @property
    def response_id(self) -> str:
        return self._id

    @property
    def is_stopgap(self) -> bool:
        """Whether it only fills the time until a tool has run."""
        return self._is_stopgap

    @property
    def active(self) -> bool:
        """Whether it is being made."""
        return self._task is not None and not self._task.done()

    @property
    def audible(self) -> bool:
        """Whether some of it was sent and is still to be played."""
        return self._delivery.audible

    @property
    def played_out(self) -> bool:
        """Whether it is made, and nothing of it is left to play."""
        return not self.active and not self.audible

    @property
    def ends(self) -> int:
        """The input sample by which what was said so far will have been played."""
        return self._delivery.ends

    def begin(
        self, tasks: asyncio.TaskGroup, after: Collection[asyncio.Task[Any]] = (), follows: "Answer | None" = None
    ) -> None:
        """Start; the conversation is read when all the tasks of `after` have ended, whichever way.

        Neither that nor playing begins before `follows` is made and played.
        """
        self._announce()
        self._task = tasks.create_task(self._give(after, follows), name=self.response_id)

    def decline(self) -> None:
        """Begin and end without an answer: the person does not want what it would tell."""
        self._announce()
        self._finish("cancelled", "turn_detected")
        self._gate.open()

    def _announce(self) -> None:
        settings = self._settings
        self._gate.emit(
            ResponseStarted(
                self.response_id,
                settings.modality,
                settings.voice,
                settings.max_output_tokens,
                self._request.into_conversation,
                self._request.metadata,
            )
        )

    @property
    def silent(self) -> bool:
        """Whether nothing of it was sent to be heard."""
        return self._delivery.sent_s == 0

    def release(self, at: int, awaited_since: int | None = None) -> None:
        """Let it be heard, from the input sample `at` on; its listener waits `awaited_since`, or since now if None."""
        self._released_at = max(at, self._context.clock())
        self.awaited_since = self._released_at if awaited_since is None else awaited_since
        self._delivery.begin(at)
        self._gate.open()
        if self._lasting is not None:
            self._context.outage.heard(self._lasting)

    def withdraw(self) -> None:
        """Stop it before anybody heard of it. The stages of its timeline are those of the next answer."""
        self._gate.shut()
        if self._task is not None:
            self._task.cancel()
        self._items.timeline.forget_answer()

    async def made(self) -> None:
        """Wait until it is made, whichever way that ends."""
        if self._task is not None:
            await asyncio.wait([self._task])

    @property
    def unplayed(self) -> bool:
        """Whether it is still being made and nothing of it was played."""
        return self.active and self._delivery.played == 0 and self._settings.modality == "audio"

    @property
    def worth_resuming(self) -> bool:
        """Whether some of it was played, and enough is left that to continue it later makes sense."""
        left_s = self._delivery.sent_s - self._delivery.played_s
        return self._delivery.played > 0 and (self.active or left_s >= _WORTH_S)

    def hold(self) -> None:
        """Playing waits where it is."""
        self._delivery.hold()

    def resume(self) -> ResumedAnswer | None:
        """Playing continues where it was held, at the beginning of a word; None: none of it was being played."""
        message, played, rate = self._items.message, self._delivery.played, self._settings.output_rate
        if message is None or not played:
            self._delivery.resume(())
            return None
        near = range(played - _NEAR_S * rate, played + _NEAR_S * rate)
        words = tuple((word.start, word.end) for word in message.words if word.start in near or word.end in near)
        self._delivery.resume(words)
        return ResumedAnswer(self._id, message.id, rate, words)

    def take_played(self) -> Pcm:
        """Its audio that was played since the last call, at 16 kHz."""
        return self._delivery.take_played()

    @property
    def said(self) -> str:
        """The words of it that were played."""
        words = self._items.message.words if self._items.message is not None else []
        return played_text(words, self._delivery.played)

    def speaks(self, item_id: str) -> bool:
        """Whether this item is its message."""
        return self._items.message is not None and self._items.message.id == item_id

    def stop(self, reason: StopReason) -> None:
        """Fall silent now. Of what was said, the conversation keeps the words that were played."""
        if self.active:
            assert self._task is not None
            self._task.cancel()
            self._items.timeline.stamp("interrupted")
            self._items.cut(self._delivery.played)
            self._finish("cancelled", reason)
            self._gate.shut()
        elif self.audible and self._items.message is not None:
            self._items.timeline.stamp("interrupted")
            item_id, played_s = self._items.message.id, self._delivery.played_s
            if item_id in self._context.conversation:
                self._context.conversation.truncate(item_id, played_s)
                self._context.outlet.emit(ItemTruncated(item_id, played_s, unasked=True))

    async def _give(self, after: Collection[asyncio.Task[Any]], follows: "Answer | None") -> None:
        if after:
            await asyncio.wait(after)
        if follows is not None:
            await follows.made()
            self._delivery.begin(follows.ends)
        lead = self._lead()
        stage = self._stage(self._voice, lead) if self._voice is not None else None
        written, wait = self._written(stage, lead)
        try:
            if stage is None:
                await write_out(written.parts(), self._items)
            else:
                await stage.run(written.parts(), None if self._is_stopgap else partial(self._next_stopgap, wait, lead))
        except Exception as error:
            await self._break_off(error, stage)
        else:
            await self._gate.ready()
            self._end(written.error)

    def _written(self, stage: SpeechStage | None, lead: SpeechLead) -> tuple[Apologetic, AnswerWait]:
        """The answer, which is written as it is read, and the wait for its words. `stage` speaks it; None: nobody."""
        request, settings, context, items = self._request, self._settings, self._context, self._read()
        mode = mode_of(request, settings, context, items)
        stopgaps = context.engine.settings.stopgaps
        aloud = ThinkingAloud(self._items.think, fit=stopgaps.think_aloud and context.engine.decoder.thinks_aloud)
        wait = AnswerWait(stopgaps, mode, aloud)

        def begin_speech() -> None:
            if stage is not None:
                stage.fill(wait.over(lead.seconds()))

        streams = StreamContext(lead.seconds, context.pulse, aloud.think, begin_speech)
        text = (
            _scripted(request.words)
            if request.words is not None
            else write_what_fits(request, settings, context, items, mode, streams)
        )
        return Apologetic(text, self._words_for), wait

    async def _break_off(self, error: Exception, stage: SpeechStage | None) -> None:
        """It could not be made to its end."""
        cause = first_error(error)
        # What an upstream does wrong needs no trace of our own code.
        trace = None if isinstance(cause, DecoderError | SpeechFailed) else error
        log.error("an answer failed: %s", cause, exc_info=trace)
        if stage is None or not isinstance(cause, SpeechFailed) or not await self._apologized(stage):
            self._items.cut(self._delivery.played)
        self._fail(error)

    def _end(self, error: DecoderError | None) -> None:
        """It was made to its end; `error`: that of the decoder, for which it apologizes."""
        if error is not None:
            log.error("an answer failed: %s", error)
            self._fail(error)
            return
        if not self._is_stopgap:
            self._context.outage.over()
        if nothing := self._items.nothing_given:
            log.warning("an answer is empty: %s", nothing)
            self._finish("failed", error=nothing, fault="decoder")
            return
        cut_short = self._items.finished is not None and self._items.finished.reason == "length"
        self._finish("incomplete", "max_output_tokens") if cut_short else self._finish("completed")

    async def _next_stopgap(self, wait: AnswerWait, lead: SpeechLead) -> list[Clause]:
        """Wait until the time has come to say something while the answer isn't there; return what."""
        while True:
            await self._context.pulse.wait()
            now = self._context.clock()
            if self._delivery.audible:
                self.awaited_since = now
            if self._released_at is not None and (clauses := wait.due(now - self.awaited_since, lead.seconds())):
                return clauses

    def _words_for(self, error: DecoderError) -> str:
        """What to say of a failure of the decoder, in a spoken answer."""
        return self._context.outage.words(error, self._context.engine.settings.agent) if self._voice is not None else ""

    def _fail(self, error: BaseException) -> None:
        found = first_error(error)
        self._lasting = refusal_code(found) if isinstance(found, DecoderError) else None
        if self._lasting is not None and self._released_at is not None:
            self._context.outage.heard(self._lasting)
        self._finish("failed", error=explained(error), fault=fault_of(error), code=self._lasting)

    async def _apologized(self, failed: SpeechStage) -> bool:
        """Whether another voice could say that the first one failed. What that had left to say is dropped."""
        apology = self._context.engine.settings.agent.apology
        voice = await self._context.engine.stand_in(self._settings.voice) if apology else None
        if voice is None:
            return False
        try:
            await failed.flush()
            await self._stage(voice, self._lead()).say(apology)
        except Exception:
            log.exception("the apology failed, too")
            return False
        self._items.break_off()
        await self._gate.ready()
        return True

    def _lead(self) -> SpeechLead:
        return SpeechLead(self._items, lambda: self._delivery.played)

    def _stage(self, voice: Voice, lead: SpeechLead) -> SpeechStage:
        return SpeechStage(self._items, voice, self._context.engine.workers, lead)

    def _read(self) -> list[Item]:
        """What the decoder reads."""
        if self._input is not None:
            return self._input
        return [*self._context.conversation, *([self._pending] if self._pending is not None else [])]

    def _usage(self) -> Usage:
        if (finished := self._items.finished) is None:
            return Usage(output_audio_s=self._delivery.sent_s)
        return Usage(
            input_tokens=finished.prompt_tokens,
            cached_tokens=finished.cached_tokens,
            output_tokens=finished.completion_tokens,
            output_audio_s=self._delivery.sent_s,
        )

    def _finish(
        self,
        status: Literal["completed", "cancelled", "incomplete", "failed"],
        reason: StopReason | Literal["max_output_tokens"] | None = None,
        error: str | None = None,
        fault: Fault | None = None,
        code: str | None = None,
    ) -> None:
        items = self._items
        self._gate.emit(
            ResponseDone(
                self._id,
                status,
                reason,
                error,
                tuple(items.all),
                self._usage(),
                items.timeline,
                self._request.metadata,
                fault,
                code,
            )
        )


def _found(request: Respond, context: AnswerContext) -> list[Item] | None:
    """The items of the request's own input: those that it refers to may be deleted before they are read."""
    if request.input is None:
        return None
    return [context.conversation[item.item_id] if isinstance(item, ItemReference) else item for item in request.input]


async def _scripted(text: str) -> AsyncGenerator[Generated]:
    yield Token(text)
    yield Finished("stop", 0, 0, 0)
