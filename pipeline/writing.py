"""What the decoder writes for one answer: on which prompt, and how much it thinks about it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext

from pipeline.articulation import articulation
from pipeline.commands import Respond, SessionSettings
from pipeline.conversation import as_units
from pipeline.decoders.decoder import Context, Forking, Sampling, Written
from pipeline.items import Item
from pipeline.mind import Mind, Surroundings
from pipeline.place import Place
from pipeline.prompt import Prompt
from pipeline.response import Response
from pipeline.thinking import Mode, Pace, Schedule


async def write(
    request: Respond, settings: SessionSettings, place: Place, items: Sequence[Item], response: Response
) -> AsyncGenerator[Written]:
    """The answer to `items`; closing the iterator stops the model within a token. Raises `DecoderError`."""
    decoder, agent = place.engine.settings.decoder, place.engine.settings.agent
    mode = _mode(settings, place)
    sampling = Sampling(
        decoder.temperature, decoder.top_p, min(settings.max_output_tokens or decoder.max_tokens, decoder.max_tokens)
    )
    groups = as_units(items if request.input is None else request.input)
    reserve = sampling.max_tokens + (0 if mode == "off" else agent.thought_budget)
    # An answer that stays out of the conversation gets a prompt of its own.
    stays_out = request.input is not None or not request.into_conversation
    prompt = Prompt(place.engine.decoder) if stays_out else place.prompt
    surroundings = Surroundings(response.lead_s, place.pulse, response.think)
    pace = Pace(agent.think_tokens, agent.speak_tokens, agent.thought_budget)
    try:
        async with (
            prompt.read(settings.instructions, settings.tools, groups, reserve) as context,
            AsyncExitStack() as forks,
        ):
            if mode == "off":
                parts = _directly(context, settings, sampling, thinks=place.engine.decoder.thinks)
            elif agent.streams == 1 or stays_out:
                mind = Mind(Schedule(mode, pace), sampling, settings.tool_choice, surroundings)
                parts = mind.alternate(context)
            else:
                mind = Mind(Schedule(mode, pace, slots=2), sampling, settings.tool_choice, surroundings)
                second: AbstractAsyncContextManager[Context]
                if isinstance(context, Forking):
                    fork = await context.fork()
                    forks.push_async_callback(fork.close)
                    second = nullcontext(fork)
                else:
                    second = place.thoughts.read(settings.instructions, settings.tools, groups, reserve)
                parts = mind.side_by_side(context, second)
            async with aclosing(parts):
                async for part in parts:
                    yield part
    finally:
        if stays_out:
            await prompt.close()


def _mode(settings: SessionSettings, place: Place) -> Mode:
    """A written answer waits for its thoughts: nobody listens meanwhile."""
    mode = settings.thinking if place.engine.decoder.thinks else "off"
    return "before" if mode != "off" and settings.modality == "text" else mode


async def _directly(
    context: Context, settings: SessionSettings, sampling: Sampling, thinks: bool
) -> AsyncGenerator[Written]:
    if thinks:
        await context.append(articulation("", ""))
    async for part in context.generate(sampling, settings.tool_choice):
        yield part
