"""Thinking while speaking with a real model: what reaches the voice, what either stream reads, and how both end."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from typing import Any, Literal

import pytest

from pipeline.commands import Cancel
from pipeline.conversation.rendering import STOPPED
from pipeline.decoders.decoder import Context, Decoder, Finished, Generated, Mark, Sampling, ToolChoice, Unit
from pipeline.decoders.llama_cpp.llama import LlamaDecoder
from pipeline.decoders.thought_formats import QWEN3, STEP_AUDIO_R1, ThoughtFormat
from pipeline.events import OutputText, ResponseDone, Thoughts
from pipeline.settings import AgentSettings
from pipeline.thinking.repetition_guard import CORRECTION, RESTART
from pipeline.thinking.schedule import Mode, Schedule, ThinkingPace
from pipeline.thinking.streams import ThoughtStreams
from tests.support.aloud import Talk
from tests.support.llama_decoders import asked, llama
from tests.support.small_models import transformers_decoder
from tests.support.thinker import unheard

QUESTIONS = (
    "Why is the sky blue?",
    "I have two apples and buy three more. How many apples have I got?",
    "How do I learn the piano?",
    "Is Peter taller than Thomas if Peter is taller than David, and David is taller than Thomas?",
    "Plan a week in Rome for me.",
)
MODES: tuple[Mode, ...] = ("before", "think_first", "speak_first")
STREAMS: tuple[Literal[1, 2], ...] = (1, 2)
FORMS = (QWEN3, STEP_AUDIO_R1)


class Server:
    """Listens in on the requests to a llama.cpp server."""

    def __init__(self, decoder: LlamaDecoder) -> None:
        self.running: list[str] = []
        """What is being written just now: "thought" or "speech"."""
        self.most = 0
        """... at once, so far."""
        self.speech = ""
        """Everything written after the thoughts were closed."""
        self.prompt = ""
        """The last one."""
        self._server = decoder.server
        self._stream = self._server.stream
        self._server.stream = self.stream  # type: ignore[method-assign]

    async def stream(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        self.prompt = await self._text(body["prompt"])
        _, opened, thought = self.prompt.rpartition("<think>")
        kind = "thought" if opened and "</think>" not in thought else "speech"
        self.running.append(kind)
        self.most = max(self.most, len(self.running))
        try:
            async with aclosing(self._stream(body)) as events:
                async for event in events:
                    self.speech += event["content"] if kind == "speech" else ""
                    yield event
        finally:
            self.running.remove(kind)

    async def idle(self) -> None:
        """Until the server itself writes nothing any more."""
        async with asyncio.timeout(60):
            while any(slot["is_processing"] for slot in await self._slots()):
                pass

    async def _slots(self) -> list[dict[str, Any]]:
        slots: Any = await self._server.call("GET", "/slots")
        return list(slots)

    async def _text(self, tokens: list[int]) -> str:
        text: str = (await self._server.call("POST", "/detokenize", {"tokens": tokens}))["content"]
        return text


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
async def test_no_thought_reaches_the_voice(form: ThoughtFormat, streams: Literal[1, 2]) -> None:
    """Of fifteen answers: the voice gets what was written as speech, and nothing else, and no tag."""
    limits = AgentSettings(think_about="everything", think_tokens=6, speak_tokens=5, thought_budget=18, streams=streams)
    async with llama(slots=2, capacity=512, thoughts=form) as decoder:
        server = Server(decoder)
        for mode in MODES:
            thought = 0
            for question in QUESTIONS:
                server.speech = ""
                async with Talk(decoder, mode, limits).held() as talk:
                    await talk.ask(question)
                    done = await talk.until(ResponseDone)
                assert done.status in ("completed", "incomplete"), done.error
                spoken = " ".join(clause.written for clause in talk.voice.clauses)
                assert spoken
                assert not re.search(r"[<>]|think", spoken + "".join(event.delta for event in talk.all(OutputText)))
                written = iter(words(server.speech))
                own = spoken.replace(CORRECTION.strip(), "").replace(RESTART.strip(" ,"), "")
                assert all(word in written for word in words(own)), (spoken, server.speech)
                thought += len(talk.all(Thoughts))
                assert thought == 0 or done.timeline.thought_tokens
            # How much is thought alongside a short answer depends on which stream is faster.
            assert thought > 2 * len(QUESTIONS)
        assert not server.running
        assert server.most == streams


class Notes:
    """A context that writes down what each generation was asked on, and what came of it."""

    def __init__(self, context: Context) -> None:
        self.taken: list[tuple[list[Unit], Sampling, list[Generated]]] = []
        self._context = context
        self._units: list[Unit] = []

    @property
    def capacity(self) -> int:
        return self._context.capacity

    async def append(self, units: Sequence[Unit]) -> None:
        self._units += units
        await self._context.append(units)

    async def length(self) -> int:
        return await self._context.length()

    def mark(self) -> Mark:
        return self._context.mark()

    def rewind(self, mark: Mark) -> None:
        self._units = []
        self._context.rewind(mark)

    async def prefill(self) -> float | None:
        return await self._context.prefill()

    async def end_of_turn_probability(self) -> float | None:
        return await self._context.end_of_turn_probability()

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Generated]:
        written: list[Generated] = []
        self.taken.append((self._units, sampling, written))
        async with aclosing(self._context.generate(sampling, tool_choice)) as parts:  # type: ignore[type-var]
            async for part in parts:
                written.append(part)
                yield part

    @property
    def so_far(self) -> Finished:
        return self._context.so_far

    async def close(self) -> None:
        await self._context.close()


@asynccontextmanager
async def small_torch() -> AsyncIterator[Decoder]:
    async with transformers_decoder(capacity=2000, thoughts=QWEN3) as decoder:
        yield decoder


@asynccontextmanager
async def small_llama() -> AsyncIterator[Decoder]:
    async with llama(slots=2, capacity=1024, thoughts=QWEN3) as decoder:
        yield decoder


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("backend", [small_llama, small_torch])
async def test_both_streams_read_what_a_fresh_prompt_would_hold(
    backend: Callable[[], AbstractAsyncContextManager[Decoder]], streams: Literal[1, 2]
) -> None:
    """Every segment of an answer is, part for part, what the model writes on the same thoughts and speech read anew."""
    async with backend() as decoder:
        contexts = [Notes(decoder.open("Be brief.")) for _ in range(streams)]
        for context in contexts:
            await context.append(asked("How do I learn the piano?"))
            context.rewind(context.mark())
        schedule = Schedule("think_first", ThinkingPace(think=12, speak=6, budget=36), streams)
        mind = ThoughtStreams(schedule, Sampling(0, 1, 30), "auto", unheard())
        parts = (
            mind.alternate(contexts[0]) if streams == 1 else mind.side_by_side(contexts[0], nullcontext(contexts[1]))
        )
        async with aclosing(parts):
            assert [part async for part in parts]
        taken = [segment for context in contexts for segment in context.taken]
        assert len(taken) >= 4
        for units, sampling, written in taken:
            fresh = decoder.open("Be brief.")
            await fresh.append([*asked("How do I learn the piano?"), *units])
            async with aclosing(fresh.generate(sampling)) as anew:  # type: ignore[type-var]
                for part in written:  # as far as it came before it was left
                    again = await anext(aiter(anew))
                    assert again == part or (isinstance(again, Finished) and isinstance(part, Finished))
            await fresh.close()
        for context in contexts:
            await context.close()


@pytest.mark.parametrize("streams", STREAMS)
async def test_an_interruption_in_the_middle_of_a_thought_ends_both_streams(streams: Literal[1, 2]) -> None:
    """What was played stays in the conversation, and nothing is left running, here or at the server."""
    limits = AgentSettings(
        think_about="everything", think_tokens=100, speak_tokens=8, thought_budget=400, streams=streams
    )
    async with llama(slots=2, capacity=1024, thoughts=QWEN3) as decoder:
        server = Server(decoder)
        async with Talk(decoder, "speak_first", limits, tokens=80).held() as talk:
            await talk.ask("How do I learn the piano?")
            await talk.until(Thoughts, 5)
            assert "thought" in server.running
            await talk.agent.do(Cancel())
            done = await talk.until(ResponseDone)
            assert done.status == "cancelled"
            await talk.settled()
            assert not server.running
            await server.idle()
            (message,) = done.outputs
            said = "".join(event.delta for event in talk.all(OutputText))
            assert message.text
            assert said.startswith(message.text)
            assert len(message.text) < len(said), "all of it was played: nothing was to be cut"
            talk.events.clear()
            await talk.ask("And the violin?")
            await talk.until(OutputText)
            assert f"assistant\n{message.text}{STOPPED}<|im_end|>" in server.prompt
            await talk.agent.do(Cancel())
            await talk.until(ResponseDone)
            await talk.settled()
            assert not server.running
