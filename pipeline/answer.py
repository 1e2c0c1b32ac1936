"""One answer's place in the conversation: asked for, given, perhaps held back or stopped, and what is remembered."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pipeline.apology import Apologetic
from pipeline.commands import Respond, SessionSettings
from pipeline.decoders.decoder import DecoderError
from pipeline.echo import Sound
from pipeline.events import (
    Event,
    ItemAdded,
    ItemDone,
    ItemTruncated,
    OutputAdded,
    OutputAudio,
    OutputDone,
    ResponseDone,
    ResponseStarted,
    StopReason,
)
from pipeline.gate import Gate
from pipeline.ids import new_id
from pipeline.items import Item, Message
from pipeline.place import Place
from pipeline.response import Means, Response
from pipeline.timeline import Timeline
from pipeline.writing import write
from tts.synthesizer import Pcm, SpeechFailed

log = logging.getLogger(__name__)

T = TypeVar("T")

_WORTH_S = 0.5
"""Who speaks up when less than this is left to hear has waited for it: it is the next turn."""


class Answer:
    """A task of its own makes it; stopping it is cancelling that task.

    `pending` is a message that the answer replies to and that is not in the conversation yet: then the answer is held
    back until `release`, and `withdraw` takes it back without a trace.
    Raises `UnknownVoice` for a voice that there is not, before anything has begun.
    """

    def __init__(
        self,
        request: Respond,
        place: Place,
        timeline: Timeline,
        *,
        pending: Message | None = None,
    ) -> None:
        self._request = request
        self._settings = _for_this(place.settings(), request)
        self._place = place
        self._pending = pending
        self._before: dict[str, str | None] = {}
        """The item that stands before each item of the answer."""
        speaking = self._settings.modality == "audio"
        voice = place.engine.synthesizer.open(self._settings.voice) if speaking else None
        means = Means(place.engine.workers, voice, self._settings.output_rate, place.clock, place.outlet.played)
        self._gate = Gate(self._pass_on, place.outlet, self._settings.output_rate)
        self._response = Response(new_id("resp"), means, self._gate, timeline)
        self._sound = Sound(self._settings.output_rate)
        self._task: asyncio.Task[None] | None = None

    @property
    def response_id(self) -> str:
        return self._response.id

    @property
    def active(self) -> bool:
        """Whether it is being made."""
        return self._task is not None and not self._task.done()

    @property
    def audible(self) -> bool:
        """Whether some of it was sent and is still to be heard."""
        return self._response.audible()

    @property
    def heard_out(self) -> bool:
        """Whether it is made, and nothing of it is left to hear."""
        return not self.active and not self.audible

    @property
    def ends(self) -> int:
        """The time at which what was said so far will have been heard."""
        return self._response.ends()

    def begin(self, tasks: asyncio.TaskGroup, after: Collection[asyncio.Task[Any]] = ()) -> None:
        """Start; the conversation is read when all the tasks of `after` have ended, whichever way."""
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
        self._task = tasks.create_task(self._give(after), name=self.response_id)

    def release(self, at: int) -> None:
        """Let it be heard, from the time `at` on; what it replies to is in the conversation."""
        self._response.playout.begin(at)
        self._gate.open()

    def withdraw(self) -> None:
        """Stop it before anybody heard of it."""
        self._gate.shut()
        if self._task is not None:
            self._task.cancel()

    async def made(self) -> None:
        """Wait until it is made, whichever way that ends."""
        if self._task is not None:
            await asyncio.wait([self._task])

    @property
    def unheard(self) -> bool:
        """Whether nothing of it has reached anybody yet."""
        return self.active and self._response.heard_s() == 0 and self._response.modality == "audio"

    @property
    def worth_going_on(self) -> bool:
        """Whether somebody hears it, and enough of it is left that to go on with it later makes sense."""
        response = self._response
        return response.heard_s() > 0 and (self.active or response.left_s() >= _WORTH_S)

    def hold(self) -> None:
        """It waits where it is."""
        self._response.playout.hold(self._place.clock())

    def go_on(self) -> None:
        self._response.playout.go_on(self._place.clock())

    def played(self) -> Pcm:
        """Its sound that was played since this was last asked, at the ear's rate."""
        return self._sound.take(self._response.playout.played(self._place.clock()))

    def says(self, item_id: str) -> bool:
        """Whether it is this item that it speaks."""
        return self._response.message is not None and self._response.message.id == item_id

    def stop(self, reason: StopReason) -> None:
        """Fall silent now. Of what was said, the conversation keeps the words that were played."""
        if self.active:
            assert self._task is not None
            self._task.cancel()
            self._response.timeline.stamp("interrupted")
            self._response.stop()
            self._finish("cancelled", reason)
            self._gate.shut()
        elif self.audible and self._response.message is not None:
            self._response.timeline.stamp("interrupted")
            item_id, heard_s = self._response.message.id, self._response.heard_s()
            if item_id in self._place.conversation:
                self._place.conversation.truncate(item_id, heard_s)
                self._place.outlet.emit(ItemTruncated(item_id, heard_s))

    def _pass_on(self, event: Event) -> None:
        """Let an event of the answer out; its items become the conversation's, unless they were asked to stay out."""
        self._place.outlet.emit(event)
        if isinstance(event, OutputAudio):
            self._response.playout.send(len(event.pcm), self._place.clock())
            self._sound.send(event.pcm)
        if not self._request.into_conversation:
            return
        match event:
            case OutputAdded():
                after = self._before[event.item.id] = self._place.conversation.insert(event.item)
                self._place.outlet.emit(ItemAdded(event.item, after))
            case OutputDone():
                self._place.outlet.emit(ItemDone(event.item, self._before[event.item.id]))

    async def _give(self, after: Collection[asyncio.Task[Any]]) -> None:
        if after:
            await asyncio.wait(after)
        apology = self._place.engine.settings.agent.apology if self._settings.modality == "audio" else ""
        written = write(self._request, self._settings, self._place, self._items(), self._response)
        answer = Apologetic(written, apology)
        try:
            await self._response.run(answer.parts())
        except Exception as error:
            message = _explain(error)
            log.exception("an answer failed: %s", message)
            if not (isinstance(_first(error), SpeechFailed) and apology and await self._apologized(apology)):
                self._response.stop()
            self._finish("failed", error=message)
        else:
            await self._gate.ready()
            if answer.error is not None:
                log.error("an answer failed: %s", answer.error)
                self._finish("failed", error=str(answer.error))
                return
            cut_short = self._response.finished is not None and self._response.finished.reason == "length"
            self._finish("incomplete", "max_output_tokens") if cut_short else self._finish("completed")

    async def _apologized(self, apology: str) -> bool:
        """Whether another voice could say so."""
        voice = await self._place.engine.stand_in(self._settings.voice)
        if voice is None:
            return False
        try:
            await self._response.apologize(apology, voice)
        except Exception:
            log.exception("the apology failed, too")
            return False
        await self._gate.ready()
        return True

    def _items(self) -> list[Item]:
        return [*self._place.conversation, *([self._pending] if self._pending is not None else [])]

    def _finish(
        self,
        status: Literal["completed", "cancelled", "incomplete", "failed"],
        reason: StopReason | Literal["max_output_tokens"] | None = None,
        error: str | None = None,
    ) -> None:
        response = self._response
        self._gate.emit(
            ResponseDone(
                response.id,
                status,
                reason,
                error,
                tuple(response.outputs),
                response.usage,
                response.timeline,
                self._request.metadata,
            )
        )


def _for_this(settings: SessionSettings, request: Respond) -> SessionSettings:
    """The session's settings with what the request says otherwise."""

    def chosen(wanted: T | None, usual: T) -> T:
        return usual if wanted is None else wanted

    return replace(
        settings,
        instructions=chosen(request.instructions, settings.instructions),
        tools=chosen(request.tools, settings.tools),
        tool_choice=chosen(request.tool_choice, settings.tool_choice),
        modality=chosen(request.modality, settings.modality),
        voice=chosen(request.voice, settings.voice),
        max_output_tokens=chosen(request.max_output_tokens, settings.max_output_tokens),
        thinking=chosen(request.thinking, settings.thinking),
    )


def _explain(error: BaseException) -> str:
    """Only our own errors are fit to be shown."""
    error = _first(error)
    return str(error) if isinstance(error, DecoderError | SpeechFailed) else f"internal error: {type(error).__name__}"


def _first(error: BaseException) -> BaseException:
    """The first real error in nested groups."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
