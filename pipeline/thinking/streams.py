"""Runs the two streams of one answer: thoughts, and speech from the thoughts so far.

`schedule.py` decides when to think and when to speak, `prompts.py` what each stream reads.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from pipeline.decoders.decoder import (
    NOTHING_GENERATED,
    Context,
    Finished,
    Generated,
    Sampling,
    Thought,
    Token,
    ToolCall,
    ToolChoice,
)
from pipeline.runtime.pulse import Pulse
from pipeline.thinking.prompts import articulation, formulation
from pipeline.thinking.repetition_guard import SpeechGuard
from pipeline.thinking.schedule import Done, Schedule, Speak, Think, Wait
from tts.frontend.clauses import ClauseSplitter


@dataclass(frozen=True, slots=True)
class StreamContext:
    """What the streams need from their conversation."""

    lead_s: Callable[[], float]
    """Seconds of speech that are still to be played."""
    pulse: Pulse
    """Beats when playback has advanced."""
    think: Callable[[str], None]
    """Called with every piece of thought as it arrives."""
    speak: Callable[[], None]
    """Called when words begin to be written from the thoughts so far."""


class ThoughtStreams:
    """Generates one answer: yields speech and calls, and finally `Finished`.

    Closing the iterator stops both streams within a token. Raises `DecoderError`.
    """

    def __init__(
        self, schedule: Schedule, sampling: Sampling, tool_choice: ToolChoice, stream_context: StreamContext
    ) -> None:
        self._schedule = schedule
        self._sampling = sampling
        self._tool_choice = tool_choice
        self._lead_s = stream_context.lead_s
        self._pulse = stream_context.pulse
        self._report = stream_context.think
        self._begin_speech = stream_context.speak
        self._guard = SpeechGuard()
        self._clauses = ClauseSplitter()
        self._thoughts = ""
        self._so_far = NOTHING_GENERATED

    @property
    def so_far(self) -> Finished:
        """The answer as if it ended where it is now, with the tokens of all its segments."""
        return self._so_far

    async def alternate(self, context: Context) -> AsyncGenerator[Generated]:
        """Run both streams in turn on one context, which ends where the answer begins."""
        mark, schedule = context.mark(), self._schedule
        while not isinstance(step := schedule.next(self._lead_s()), Done):
            context.rewind(mark)
            match step:
                case Wait():
                    await self._pulse.wait()
                case Think():
                    await self._think(context, step, lambda: isinstance(schedule.next(self._lead_s()), Think))
                case Speak():
                    stream = self._speak(context, lambda lead_s: isinstance(schedule.next(lead_s), Speak))
                    async with aclosing(stream):
                        async for part in stream:
                            yield part
        yield self._so_far

    async def side_by_side(
        self, speaking: Context, thinking: AbstractAsyncContextManager[Context]
    ) -> AsyncGenerator[Generated]:
        """Run the streams concurrently, each on its own context; both end where the answer begins."""
        mark, schedule = speaking.mark(), self._schedule
        formulating = asyncio.create_task(self._formulate(thinking))
        try:
            while not isinstance(step := schedule.articulation(self._lead_s()), Done):
                if formulating.done():
                    await formulating
                speaking.rewind(mark)
                if isinstance(step, Wait):
                    await self._pulse.wait()
                    continue
                stream = self._speak(speaking, partial(schedule.continues, step))
                async with aclosing(stream):
                    async for part in stream:
                        yield part
        finally:
            formulating.cancel()
            await asyncio.wait([formulating])
        yield self._so_far

    async def _formulate(self, thinking: AbstractAsyncContextManager[Context]) -> None:
        schedule = self._schedule
        try:
            async with thinking as context:
                mark = context.mark()
                while not isinstance(step := schedule.formulation(), Done):
                    context.rewind(mark)
                    if isinstance(step, Wait):
                        await self._pulse.wait()
                    else:
                        await self._think(context, step, lambda: isinstance(schedule.formulation(), Think))
        finally:
            self._pulse.beat()

    async def _think(self, context: Context, step: Think, proceed: Callable[[], bool]) -> None:
        await context.append(formulation(self._thoughts))
        sampling = replace(self._sampling, max_tokens=step.tokens)
        before = self._schedule.thought_tokens
        async with aclosing(context.generate(sampling)) as written:  # type: ignore[type-var]
            async for part in written:
                match part:
                    case Thought():
                        self._thoughts += part.text
                        self._schedule.thought()
                        self._report(part.text)
                    case Finished():
                        if part.reason == "stop":
                            self._schedule.thoughts_closed()
                        elif self._schedule.thought_tokens == before:
                            self._schedule.thought()  # white space is held back, and would come for ever
                    case Token() | ToolCall():
                        self._schedule.thoughts_closed()
                self._count(context.so_far, self._so_far.reason)
                self._pulse.beat()
                if not proceed():
                    return

    async def _speak(self, context: Context, proceed: Callable[[float], bool]) -> AsyncGenerator[Token | ToolCall]:
        self._guard.resume()
        self._begin_speech()
        await context.append(articulation(self._thoughts, self._guard.said, ended=self._schedule.thought_through))
        left = self._sampling.max_tokens - self._schedule.spoken_tokens
        sampling = replace(self._sampling, max_tokens=max(left, 1))
        called = False
        async with aclosing(context.generate(sampling, self._tool_choice)) as written:  # type: ignore[type-var]
            async for part in written:
                said = ""
                match part:
                    case Token():
                        said = self._guard.push(part.text)
                        self._schedule.spoke(clause_ends=bool(self._clauses.push(said)))
                    case ToolCall():
                        called = True  # it is in no context: a restart after `said` would make it again
                        yield part
                    case Finished():
                        said = self._guard.finish()
                        self._schedule.answered()
                self._count(context.so_far, context.so_far.reason)
                if said:
                    yield Token(said)
                if self._guard.stuck:
                    self._schedule.answered()
                self._pulse.beat()
                if not (called or proceed(self._lead_s())):
                    return

    def _count(self, segment: Finished, reason: Literal["stop", "length"]) -> None:
        """Add up the token counts of the segments. `reason`: that of the last segment of speech."""
        self._so_far = Finished(
            reason,
            max(self._so_far.prompt_tokens, segment.prompt_tokens),
            max(self._so_far.cached_tokens, segment.cached_tokens),
            self._schedule.thought_tokens + self._schedule.spoken_tokens,
        )
