"""The two streams of one mind, in virtual time: what is written when, and that nothing of it outlives its answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from itertools import product
from typing import Literal

import pytest

from pipeline.commands import Respond
from pipeline.decoders.decoder import Finished, Generated, Sampling, Text, Thought, Token, ToolChoice
from pipeline.events import OutputText, ResponseDone, Thoughts
from pipeline.runtime.pulse import Pulse
from pipeline.settings import AgentSettings, PipelineSettings
from pipeline.thinking.schedule import Mode, Schedule, ThinkingPace
from pipeline.thinking.streams import StreamContext, ThoughtStreams
from tests.support.talk import SETTINGS, said, talk
from tests.support.thinker import ANSWER, THOUGHTS, Thinker, ThinkingContext, unheard

PACE = ThinkingPace(think=6, speak=4)


@asynccontextmanager
async def thinking(context: ThinkingContext) -> AsyncIterator[ThinkingContext]:
    yield context


async def minded(
    mode: Mode,
    lead_s: Sequence[float] = (0.0,),
    slots: Literal[1, 2] = 1,
    decoder: Thinker | None = None,
    pace: ThinkingPace = PACE,
) -> tuple[str, str, Thinker]:
    """What is thought and what is said, with the listener's lead as given at each look, the last for good."""
    decoder, pulse, leads, thoughts = decoder or Thinker(), Pulse(), list(lead_s), [""]

    def lead() -> float:
        return leads.pop(0) if len(leads) > 1 else leads[0]

    def think(text: str) -> None:
        thoughts[0] += text

    schedule = Schedule(mode, pace, slots)
    mind = ThoughtStreams(schedule, Sampling(0, 1, 100), "auto", StreamContext(lead, pulse, think, lambda: None))
    context = decoder.open("")
    parts = mind.alternate(context) if slots == 1 else mind.side_by_side(context, thinking(decoder.open("")))
    said, last = "", None

    async def time_goes_on() -> None:
        while True:
            await asyncio.sleep(0)
            pulse.beat()

    clock = asyncio.create_task(time_goes_on())
    async with asyncio.timeout(60), aclosing(parts):
        async for part in parts:
            last = part
            if isinstance(part, Token):
                said += part.text
    clock.cancel()
    await asyncio.wait([clock])
    assert isinstance(last, Finished)
    assert last.completion_tokens == len(decoder.log)
    assert decoder.running == 0
    return thoughts[0], said, decoder


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("mode", ["before", "think_first", "speak_first"])
async def test_all_that_is_to_be_said_is_said_once_whatever_the_pace(mode: Mode, slots: Literal[1, 2]) -> None:
    for lead_s in ([0.0], [5.0, 5.0, 0.0], [0.0, 5.0] * 40 + [0.0]):
        thoughts, said, _ = await minded(mode, lead_s, slots)
        assert said == ANSWER
        assert THOUGHTS.startswith(thoughts)


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("mode", ["before", "think_first", "speak_first"])
@pytest.mark.parametrize("thoughts", ["Six times seven is 42. So the answer is 42.", "Six times seven. Answer: 42"])
async def test_thoughts_that_the_model_closed_are_all_spoken_from(
    thoughts: str, mode: Mode, slots: Literal[1, 2]
) -> None:
    thought, said, decoder = await minded(mode, [0.0] * 8 + [5.0] * 40 + [0.0], slots, Thinker(thoughts))
    assert said == ANSWER
    assert thought == thoughts
    last_speech = [prompt for prompt in decoder.prompts if isinstance(prompt[-1], Text)][-1]
    assert last_speech[1] == Thought(thoughts)


@pytest.mark.parametrize("slots", [1, 2])
async def test_a_thought_that_the_budget_broke_off_is_not_spoken_from(slots: Literal[1, 2]) -> None:
    _, _, decoder = await minded("before", slots=slots, pace=replace(PACE, budget=10))
    assert decoder.prompts[-1][1] == Thought("They ask for six times seven.")


@pytest.mark.parametrize("slots", [1, 2])
async def test_a_call_is_made_once_whenever_the_lead_rises(slots: Literal[1, 2]) -> None:
    for looks, speak in product(range(40), (1, 2, 3)):
        lead_s = [0.0] * looks + [5.0] * 6 + [0.0]
        thinker = Thinker(THOUGHTS * 9, "One moment please, I will look.", calls=True)
        _, said, decoder = await minded("think_first", lead_s, slots, thinker, replace(PACE, speak=speak))
        assert said == thinker.answer
        assert decoder.called == 1


async def test_before_thinks_to_the_end() -> None:
    thoughts, _, decoder = await minded("before")
    assert thoughts == THOUGHTS
    assert "ts" in "".join(decoder.log)
    assert "st" not in "".join(decoder.log)


async def test_think_first_thinks_a_segment_and_speaks() -> None:
    _, _, decoder = await minded("think_first")
    assert "".join(decoder.log).startswith("t" * 6 + "s" * 4)


async def test_speak_first_speaks_and_thinks_when_the_listener_has_enough_to_hear() -> None:
    _, _, decoder = await minded("speak_first", [0.0] * 12 + [5.0] * 12 + [0.0])
    written = "".join(decoder.log)
    assert written.startswith("ssss")
    assert "t" in written


@pytest.mark.parametrize("streams", [1, 2])
async def test_an_interruption_ends_both_streams_and_leaves_the_words_that_were_heard(streams: Literal[1, 2]) -> None:
    settings = PipelineSettings(
        agent=AgentSettings(think_about="everything", think_tokens=6, speak_tokens=4, streams=streams)
    )
    decoder = Thinker()
    session = replace(SETTINGS, thinking="think_first")
    async with talk(["Hello."], session=session, settings=settings, decoder=decoder) as conversation:
        conversation.encoder.overheard = "Stop it."
        await conversation.do(Respond())
        await conversation.until(Thoughts)
        await conversation.until(OutputText)
        await conversation.be_silent(0.5)
        await conversation.break_in(0.5)
        for _ in range(2):
            await conversation.be_silent(0.2)
            await conversation.settled()
        done = await conversation.until(ResponseDone)
        assert done.status in ("cancelled", "completed")
        assert decoder.running == 0
        spoken = said(conversation)
        assert ANSWER.startswith(spoken)
        assert not any("forty two. That is all" in event.delta for event in conversation.all(OutputText))


async def test_a_model_that_cannot_think_is_not_asked_to() -> None:
    async with talk([], ["Hi."], session=replace(SETTINGS, thinking="before")) as conversation:
        await conversation.do(Respond())
        done = await conversation.until(ResponseDone)
        assert done.status == "completed"
        assert not conversation.all(Thoughts)


async def test_a_model_that_can_think_is_told_not_to() -> None:
    decoder = Thinker()
    async with talk([], session=SETTINGS, decoder=decoder) as conversation:
        await conversation.do(Respond())
        done = await conversation.until(ResponseDone)
        assert done.timeline.thought_tokens is None
        assert set(decoder.log) == {"s"}
        assert said(conversation) == ANSWER


class BlankContext(ThinkingContext):
    """Thinks nothing but white space, which is no part of a thought."""

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Generated]:
        await asyncio.sleep(0)
        if isinstance(self.units[-1], Thought):
            yield Finished("length", 10, 5, sampling.max_tokens)
            return
        async for part in super().generate(sampling, tool_choice):
            yield part


async def test_blank_thoughts_end_with_their_budget() -> None:
    schedule = Schedule("before", ThinkingPace(think=2, budget=5))
    mind = ThoughtStreams(schedule, Sampling(0, 1, 100), "auto", unheard())
    async with asyncio.timeout(60), aclosing(mind.alternate(BlankContext(Thinker()))) as parts:
        said = "".join([part.text async for part in parts if isinstance(part, Token)])
    assert said == ANSWER
    assert schedule.thought_tokens == 5


async def test_an_answer_that_is_stopped_has_the_tokens_of_its_thoughts_and_words() -> None:
    schedule = Schedule("think_first", ThinkingPace(think=3, speak=2))
    mind = ThoughtStreams(schedule, Sampling(0, 1, 100), "auto", unheard())
    async with asyncio.timeout(60), aclosing(mind.alternate(ThinkingContext(Thinker()))) as parts:
        assert isinstance(await anext(parts), Token)
    assert schedule.thought_tokens == 3
    assert mind.so_far == Finished("stop", 10, 5, 3 + schedule.spoken_tokens)
    assert schedule.spoken_tokens >= 1


async def test_the_end_of_an_answer_is_that_of_its_words() -> None:
    """A segment of thoughts ends at its length, which cuts nothing that is said."""
    schedule = Schedule("before", ThinkingPace(think=2, budget=5))
    mind = ThoughtStreams(schedule, Sampling(0, 1, 100), "auto", unheard())
    async with asyncio.timeout(60), aclosing(mind.alternate(ThinkingContext(Thinker()))) as parts:
        last = [part async for part in parts][-1]
    assert isinstance(last, Finished)
    assert last.reason == "stop"
    assert last.completion_tokens == schedule.thought_tokens + schedule.spoken_tokens
