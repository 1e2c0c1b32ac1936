"""One answer from the two streams of one model: thoughts, and speech from the thoughts so far.

`thinking.py` says when to think and when to speak, `articulation.py` what either stream reads; here they run.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from functools import partial

from pipeline.articulation import SpeechGuard, articulation, formulation
from pipeline.decoders.decoder import Context, Finished, Sampling, Thought, Token, ToolCall, ToolChoice, Written
from pipeline.pulse import Pulse
from pipeline.thinking import Done, Schedule, Speak, Think, Wait
from tts.clauses import ClauseSplitter


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a mind needs to know of its conversation."""

    lead_s: Callable[[], float]
    """Seconds of speech that the listener has yet to hear."""
    pulse: Pulse
    """Beats when time has gone on."""
    think: Callable[[str], None]
    """Told every thought as it comes."""


class Mind:
    """Writes one answer. What it yields is speech and calls, and `Finished` at last.

    Closing the iterator stops both streams within a token. Raises `DecoderError`.
    """

    def __init__(
        self, schedule: Schedule, sampling: Sampling, tool_choice: ToolChoice, surroundings: Surroundings
    ) -> None:
        self._schedule = schedule
        self._sampling = sampling
        self._tool_choice = tool_choice
        self._lead_s = surroundings.lead_s
        self._pulse = surroundings.pulse
        self._tell = surroundings.think
        self._guard = SpeechGuard()
        self._clauses = ClauseSplitter()
        self._thoughts = ""
        self._usage = Finished("stop", 0, 0, 0)

    async def alternate(self, context: Context) -> AsyncGenerator[Written]:
        """Both streams in turn on one context, which ends where the answer is to begin."""
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
        yield self._usage

    async def side_by_side(
        self, speaking: Context, thinking: AbstractAsyncContextManager[Context]
    ) -> AsyncGenerator[Written]:
        """Each stream on a context of its own; both end where the answer is to begin."""
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
                stream = self._speak(speaking, partial(schedule.goes_on, step))
                async with aclosing(stream):
                    async for part in stream:
                        yield part
        finally:
            formulating.cancel()
            await asyncio.wait([formulating])
        yield self._usage

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

    async def _think(self, context: Context, step: Think, goes_on: Callable[[], bool]) -> None:
        await context.append(formulation(self._thoughts))
        sampling = replace(self._sampling, max_tokens=step.tokens)
        before = self._schedule.thought_tokens
        async with aclosing(context.generate(sampling)) as written:  # type: ignore[type-var]
            async for part in written:
                match part:
                    case Thought():
                        self._thoughts += part.text
                        self._schedule.thought()
                        self._tell(part.text)
                    case Finished():
                        self._count(part)
                        if part.reason == "stop":
                            self._schedule.thoughts_closed()
                        elif self._schedule.thought_tokens == before:
                            self._schedule.thought()  # white space, which was held back, would be asked for for ever
                    case Token() | ToolCall():
                        self._schedule.thoughts_closed()
                self._pulse.beat()
                if not goes_on():
                    return

    async def _speak(self, context: Context, goes_on: Callable[[float], bool]) -> AsyncGenerator[Token | ToolCall]:
        self._guard.resume()
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
                        called = True  # it is in no context: whoever began anew behind `said` would make it again
                        yield part
                    case Finished():
                        self._count(part)
                        said = self._guard.finish()
                        self._schedule.answered()
                if said:
                    yield Token(said)
                if self._guard.stuck:
                    self._schedule.answered()
                self._pulse.beat()
                if not (called or goes_on(self._lead_s())):
                    return

    def _count(self, finished: Finished) -> None:
        """What all the readings and writings came to; the answer ended as its last speech did."""
        self._usage = Finished(
            finished.reason,
            max(self._usage.prompt_tokens, finished.prompt_tokens),
            max(self._usage.cached_tokens, finished.cached_tokens),
            self._schedule.thought_tokens + self._schedule.spoken_tokens,
        )
