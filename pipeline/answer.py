"""One answer's place in the conversation: asked for, given, perhaps stopped, and what of it is remembered."""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pipeline.commands import Respond, SessionSettings
from pipeline.conversation import Conversation, as_units
from pipeline.decoders.decoder import DecoderError, Sampling
from pipeline.engine import Engine
from pipeline.events import (
    Event,
    ItemAdded,
    ItemDone,
    ItemTruncated,
    OutputAdded,
    OutputDone,
    ResponseDone,
    ResponseStarted,
    StopReason,
)
from pipeline.ids import new_id
from pipeline.prompt import Prompt
from pipeline.response import Means, Outlet, Response
from pipeline.timeline import Timeline

log = logging.getLogger(__name__)

T = TypeVar("T")


class Answer:
    """Begins when it is made, in a task of its own; stopping it is cancelling that task.

    Raises `UnknownVoice` for a voice that there is not, before anything has begun.
    """

    def __init__(
        self,
        request: Respond,
        settings: SessionSettings,
        *,
        engine: Engine,
        conversation: Conversation,
        prompt: Prompt,
        outlet: Outlet,
        clock: Callable[[], int],
        begins: int,
        timeline: Timeline,
    ) -> None:
        self._request = request
        self._settings = _for_this(settings, request)
        self._engine = engine
        self._conversation = conversation
        self._prompt = prompt
        self._outlet = outlet
        self._places: dict[str, str | None] = {}
        """Of each item: the one it was put behind."""
        speaking = self._settings.modality == "audio"
        voice = engine.synthesizer.open(self._settings.voice) if speaking else None
        means = Means(engine.workers, voice, self._settings.output_rate, clock, begins)
        self._response = Response(new_id("resp"), means, self, timeline)
        self._task: asyncio.Task[None] | None = None

    @property
    def response_id(self) -> str:
        return self._response.id

    @property
    def active(self) -> bool:
        """Whether it is being made."""
        return self._task is not None and not self._task.done()

    @property
    def heard_out(self) -> bool:
        """Whether it is made, and nothing of it is left to hear."""
        return not self.active and not self._response.audible()

    @property
    def ends(self) -> int:
        """The time at which what was said so far will have been heard."""
        return self._response.ends()

    def begin(self, tasks: asyncio.TaskGroup, after: Collection[asyncio.Task[Any]]) -> asyncio.Task[None]:
        """Start; the conversation is read when all the tasks of `after` have ended, whichever way."""
        settings = self._settings
        self._outlet.emit(
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
        return self._task

    def stop(self, reason: StopReason) -> None:
        """Fall silent now. Of what was said, the conversation keeps the words that were played."""
        if self.active:
            assert self._task is not None
            self._task.cancel()
            self._response.timeline.stamp("interrupted")
            self._response.stop()
            self._finish("cancelled", reason)
        elif self._response.audible() and self._response.message is not None:
            self._response.timeline.stamp("interrupted")
            heard_s = self._response.heard_s()
            item_id = self._response.message.id
            if item_id in self._conversation:
                self._conversation.truncate(item_id, heard_s)
                self._outlet.emit(ItemTruncated(item_id, heard_s))

    def emit(self, event: Event) -> None:
        """Pass on an event of the answer; its items become the conversation's, unless they were asked to stay out."""
        self._outlet.emit(event)
        if not self._request.into_conversation:
            return
        match event:
            case OutputAdded():
                after = self._places[event.item.id] = self._conversation.insert(event.item)
                self._outlet.emit(ItemAdded(event.item, after))
            case OutputDone():
                self._outlet.emit(ItemDone(event.item, self._places[event.item.id]))

    async def ready(self) -> None:
        await self._outlet.ready()

    async def _give(self, after: Collection[asyncio.Task[Any]]) -> None:
        if after:
            await asyncio.wait(after)
        stays_out = self._request.input is not None or not self._request.into_conversation
        prompt = Prompt(self._engine.decoder) if stays_out else self._prompt
        try:
            await self._run(prompt)
        except Exception as error:
            message = _explain(error)
            log.exception("an answer failed: %s", message)
            self._response.stop()
            self._finish("failed", error=message)
        else:
            await self._outlet.ready()
            cut_short = self._response.finished is not None and self._response.finished.reason == "length"
            self._finish("incomplete", "max_output_tokens") if cut_short else self._finish("completed")
        finally:
            if prompt is not self._prompt:
                await prompt.close()

    async def _run(self, prompt: Prompt) -> None:
        settings, limits = self._settings, self._engine.settings.decoder
        max_tokens = min(settings.max_output_tokens or limits.max_tokens, limits.max_tokens)
        items = self._conversation if self._request.input is None else self._request.input
        context = await prompt.update(settings.instructions, settings.tools, as_units(items), reserve=max_tokens)
        sampling = Sampling(limits.temperature, limits.top_p, max_tokens)
        await self._response.run(context, sampling, settings.tool_choice)

    def _finish(
        self,
        status: Literal["completed", "cancelled", "incomplete", "failed"],
        reason: StopReason | Literal["max_output_tokens"] | None = None,
        error: str | None = None,
    ) -> None:
        response = self._response
        self._outlet.emit(
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
    )


def _explain(error: BaseException) -> str:
    """The first real error in nested groups; only ours are fit to be shown."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, DecoderError) else f"internal error: {type(error).__name__}"
