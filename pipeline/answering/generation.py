"""What the decoder writes for one answer: from which prompt, and with how much thinking."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext

from pipeline.answering.context import AnswerContext
from pipeline.answering.loops import until_loop
from pipeline.commands import Respond, SessionSettings
from pipeline.conversation.asked import asked_about, last_asked
from pipeline.conversation.context_sync import ContextSync
from pipeline.conversation.items import Item, Message
from pipeline.conversation.rendering import as_units, cue_of_late_results
from pipeline.decoders.decoder import (
    Close,
    Context,
    ForkableContext,
    Generated,
    Refusal,
    Sampling,
    UpstreamRefusal,
)
from pipeline.thinking.difficulty import has_to_be_worked_out
from pipeline.thinking.prompts import articulation
from pipeline.thinking.schedule import Mode, Schedule, ThinkingPace
from pipeline.thinking.streams import StreamContext, ThoughtStreams


async def write_what_fits(
    request: Respond,
    settings: SessionSettings,
    answer_context: AnswerContext,
    items: Sequence[Item],
    mode: Mode,
    streams: StreamContext,
) -> AsyncGenerator[Generated]:
    """As `write`. What a far server, which counts tokens by itself, finds too long is tried with less of the past."""
    while True:
        begun = False
        try:
            async with aclosing(write(request, settings, answer_context, items, mode, streams)) as parts:
                async for part in parts:
                    begun = True
                    yield part
            return
        except UpstreamRefusal as refusal:
            if begun or refusal.reason is not Refusal.CONTEXT or not await answer_context.prompt.shrink():
                raise
            await answer_context.thoughts.shrink()


async def write(
    request: Respond,
    settings: SessionSettings,
    answer_context: AnswerContext,
    items: Sequence[Item],
    mode: Mode,
    streams: StreamContext,
) -> AsyncGenerator[Generated]:
    """Write the answer to `items`. Closing the iterator stops the model within a token. Raises `DecoderError`.

    `streams` is what thinking goes by, and where thoughts go that are written side by side with the words.
    """
    decoder, agent = answer_context.engine.settings.decoder, answer_context.engine.settings.agent
    read = _read_items(request, items)
    sampling = Sampling(
        decoder.temperature, decoder.top_p, min(settings.max_output_tokens or decoder.max_tokens, decoder.max_tokens)
    )
    groups = as_units(read)
    reserve = sampling.max_tokens + (0 if mode == "off" else agent.thought_budget)
    # An answer that stays out of the conversation gets a prompt of its own.
    stays_out = request.input is not None or not request.into_conversation
    prompt = ContextSync(answer_context.engine.decoder) if stays_out else answer_context.prompt
    pace = ThinkingPace(agent.think_tokens, agent.speak_tokens, agent.thought_budget)
    try:
        async with (
            prompt.read(settings.instructions, settings.tools, groups, reserve) as context,
            AsyncExitStack() as forks,
        ):
            source: Context | ThoughtStreams
            if mode == "off":
                source = context
                parts = _directly(context, settings, sampling, thinks=answer_context.engine.decoder.thinks)
            elif agent.streams == 1 or stays_out:
                source = ThoughtStreams(Schedule(mode, pace), sampling, settings.tool_choice, streams)
                parts = source.alternate(context)
            else:
                source = ThoughtStreams(Schedule(mode, pace, slots=2), sampling, settings.tool_choice, streams)
                second: AbstractAsyncContextManager[Context]
                if isinstance(context, ForkableContext):
                    fork = await context.fork()
                    forks.push_async_callback(fork.close)
                    second = nullcontext(fork)
                else:
                    second = answer_context.thoughts.read(settings.instructions, settings.tools, groups, reserve)
                parts = source.side_by_side(context, second)
            async with aclosing(until_loop(parts, lambda: source.so_far, last_asked(read))) as unlooped:
                async for part in unlooped:
                    yield part
    finally:
        if stays_out:
            await prompt.close()


def _read_items(request: Respond, items: Sequence[Item]) -> Sequence[Item]:
    """What is answered: `items`, which are the conversation or the request's own input.

    Where nobody has said anything since the last answer, the instructions given for this answer alone, and the results
    that have come since, are read as the cue for it: a model that is asked to follow its own last words ends at once.
    """
    if request.input is not None:
        return items
    groups = as_units(items)
    if not groups or groups[-1].units[-1] == Close("assistant"):
        cue = "\n".join(filter(None, (cue_of_late_results(items), request.instructions)))
        return [*items, Message("", "user", cue)] if cue else items
    return items


def mode_of(request: Respond, settings: SessionSettings, answer_context: AnswerContext, items: Sequence[Item]) -> Mode:
    """How to think about the answer to `items`. A written one waits for its thoughts: nobody listens meanwhile."""
    decoder, agent = answer_context.engine.decoder, answer_context.engine.settings.agent
    mode = settings.thinking if decoder.thinks else "off"
    # A decoder that hears thinks about the sound, too, and words don't tell what is hard in it.
    asked = asked_about(_read_items(request, items))
    if agent.think_about == "hard" and decoder.audio_encoder is None and _is_easy(asked, settings):
        return "off"
    return "before" if mode != "off" and settings.modality == "text" else mode


def _is_easy(asked: str, settings: SessionSettings) -> bool:
    """Whether nothing has to be worked out, or there are tools to do it with; where no words are known, False."""
    return bool(settings.tools) or (bool(asked) and not has_to_be_worked_out(asked))


async def _directly(
    context: Context, settings: SessionSettings, sampling: Sampling, thinks: bool
) -> AsyncGenerator[Generated]:
    if thinks:
        await context.append(articulation("", ""))
    async for part in context.generate(sampling, settings.tool_choice):
        yield part
