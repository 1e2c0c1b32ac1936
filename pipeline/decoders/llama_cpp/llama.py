"""Any GGUF model through llama.cpp's server.

The server matches a prompt against what a slot's KV cache holds, token by token, and reads only what follows the
longest common prefix. So appending is prefilling a longer prompt, and rewinding is asking for a shorter one.
"""

import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from pipeline.decoders import hermes
from pipeline.decoders.chat_template import TemplateInput, opening_of_answer, split_answer
from pipeline.decoders.decoder import (
    NOTHING_GENERATED,
    Finished,
    Generated,
    Sampling,
    Tool,
    ToolChoice,
    Unit,
)
from pipeline.decoders.generated_text import GeneratedText
from pipeline.decoders.llama_cpp.llama_server import LlamaServer
from pipeline.decoders.llama_cpp.llama_slots import SlotPool
from pipeline.decoders.llama_cpp.reading_turns import ReadingTurns
from pipeline.decoders.messages import closes_a_sentence, texts_of
from pipeline.decoders.thought_formats import ThoughtFormat, format_of_template
from pipeline.decoders.unit_list import UnitList
from pipeline.runtime.workers import account, charge

log = logging.getLogger(__name__)

_CANDIDATES = 40
"""Likeliest next tokens that are asked for; the others hardly add to the probability."""


_STREAMED = {"cache_prompt": True, "stream": True, "return_progress": True}
"""A request whose answer arrives event by event, from the reading of the prompt on: without these events, a server that
reads a long prompt on a busy machine would be silent for longer than a dead one is waited for."""


class LlamaDecoder:
    """A model in a llama.cpp server, shared by all conversations."""

    audio_encoder: None = None
    """llama.cpp has audio encoders for few models, and they encode whole recordings only."""

    def __init__(self, server: LlamaServer, *, slots: int, capacity: int, thoughts: ThoughtFormat) -> None:
        """`slots`: the KV caches of the server. `capacity`: tokens of each. `thoughts`: how the model writes them."""
        self.server = server
        self.thoughts = thoughts
        self._slots = SlotPool(slots)
        self._turns = ReadingTurns(capacity, monotonic)
        self.capacity = capacity

    @classmethod
    async def in_process(
        cls,
        model: Path,
        *,
        slots: int,
        capacity: int,
        threads: int,
        timeout_s: float,
        thoughts: ThoughtFormat | None = None,
    ) -> "LlamaDecoder":
        """Load `model` (GGUF) into this process. Raises `DecoderError` if llama.cpp can't.

        `thoughts`: None: as the model's chat template has it.
        """
        server = await LlamaServer.start(model, slots=slots, capacity=capacity, threads=threads, timeout_s=timeout_s)
        props = await server.call("GET", "/props")
        return cls(server, slots=slots, capacity=capacity, thoughts=thoughts or _format_of(props))

    @classmethod
    async def at(
        cls, url: str, *, api_key: str, timeout_s: float, thoughts: ThoughtFormat | None = None
    ) -> "LlamaDecoder":
        """Connect to a running llama-server. Raises `DecoderError` if none answers there.

        `thoughts`: None: as the model's chat template has it.
        """
        server = LlamaServer(url, api_key, timeout_s)
        props = await server.call("GET", "/props")
        capacity = props["default_generation_settings"]["n_ctx"]
        return cls(server, slots=props["total_slots"], capacity=capacity, thoughts=thoughts or _format_of(props))

    @property
    def thinks(self) -> bool:
        return bool(self.thoughts.opens)

    @property
    def thinks_aloud(self) -> bool:
        return self.thoughts.aloud

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> "LlamaContext":
        return LlamaContext(self.server, self._slots, self._turns, self.capacity, self.thoughts, instructions, tools)

    async def close(self) -> None:
        await self.server.close()


def _format_of(props: dict[str, Any]) -> ThoughtFormat:
    return format_of_template(props.get("chat_template", ""))


class LlamaContext(UnitList):
    """One conversation's prompt. Its KV cache is whichever slot it is lent: its last one, unless another took that."""

    def __init__(
        self,
        server: LlamaServer,
        slots: SlotPool,
        turns: ReadingTurns,
        capacity: int,
        thoughts: ThoughtFormat,
        instructions: str,
        tools: Sequence[Tool],
    ) -> None:
        super().__init__(capacity, tools)
        self._server = server
        self._slots = slots
        self._turns = turns
        self._thoughts = thoughts
        self._instructions = instructions
        self._rendered: tuple[list[Unit], list[int], str] | None = None
        """What was rendered last, of which units."""
        self._so_far = NOTHING_GENERATED

    @property
    def so_far(self) -> Finished:
        return self._so_far

    async def length(self) -> int:
        tokens, _ = await self._prompt()
        return len(tokens)

    async def prefill(self) -> float | None:
        prompt, closing = await self._open_prompt()
        await self._read_in_turn(prompt)
        return _end_of_turn(await self._read(prompt, candidates=_CANDIDATES), closing)

    async def end_of_turn_probability(self) -> float | None:
        prompt, closing = await self._open_prompt()
        await self._read_in_turn(prompt)
        with self._turns.reply():
            return _end_of_turn(await self._read(prompt, candidates=_CANDIDATES), closing)

    async def _read_in_turn(self, prompt: list[int]) -> None:
        """Read the beginning of a prompt that would hold up the replies to others, between those."""
        payer = account()
        async with self._turns.one_at_a_time(payer):
            for length, rest_s in self._turns.pieces(payer, self._slots.cached(self, payer, prompt), len(prompt)):
                await self._turns.wait(rest_s)
                await self._read(prompt[:length])

    async def _read(self, prompt: list[int], candidates: int = 0) -> list[dict[str, Any]]:
        """Read `prompt` into the cache; returns so many of the likeliest next tokens, which cost nothing more."""
        likeliest: list[dict[str, Any]] = []
        wanted = {"n_predict": 1, "n_probs": candidates, "temperature": 0} if candidates else {"n_predict": 0}
        async with self._slots.lend(self, account(), prompt) as slot:
            body = {"prompt": prompt, "id_slot": slot, **wanted, **_STREAMED}
            async with self._charged(account()), aclosing(self._server.stream(body)) as events:
                async for event in events:
                    for token in event.get("completion_probabilities", ()):
                        likeliest = token["top_logprobs"]
            self._slots.note(slot, prompt)
        return likeliest

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Generated]:
        self._so_far, payer = NOTHING_GENERATED, account()
        forced = self.forced_tools(tool_choice)
        prompt, thinking = await self._prompt(at_once=bool(forced))
        if forced:
            prompt = prompt + await self._server.tokenize(hermes.CALL_OPENS + "\n", control=True)
        await self._read_in_turn(prompt)
        async with self._slots.lend(self, account(), prompt) as slot:
            body: dict[str, Any] = {
                "prompt": prompt,
                "id_slot": slot,
                **_STREAMED,
                "timings_per_token": True,
                "n_predict": sampling.max_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
            }
            if sampling.seed is not None:
                body["seed"] = sampling.seed
            if marks := [*self._thoughts.marks, *(hermes.TAGS if self._tools else ())]:
                body["preserved_tokens"] = marks  # control tokens are not written out unless asked for
            if forced:
                body["json_schema"] = hermes.call_schema(forced)
            parts = self._forced_call(body, forced) if forced else self._free(body, thinking)
            async with self._charged(payer), aclosing(parts):
                try:
                    with self._turns.reply():
                        async for part in parts:
                            self._slots.note(slot, prompt)
                            yield part
                finally:
                    self._turns.wrote(payer, self._so_far.completion_tokens)

    async def close(self) -> None:
        self._slots.forget(self)

    @asynccontextmanager
    async def _charged(self, payer: object) -> AsyncIterator[None]:
        """The model works for `payer` while the context lasts, and for whoever has another slot."""
        began = monotonic()
        try:
            yield
        finally:
            charge(payer, (monotonic() - began) / max(1, self._slots.lent))

    async def _free(self, body: dict[str, Any], thinking: bool) -> AsyncGenerator[Generated]:
        """Words and calls. An answer that begins with a call that can't be read is written again, without calls."""
        begun = False
        try:
            async with aclosing(self._written(body, thinking)) as parts:
                async for part in parts:
                    begun = True
                    yield part
            return
        except hermes.UnreadableCall as error:
            if begun:
                raise
            log.warning("%s; it is asked again for words", error)
        openings = [(await self._server.tokenize(text, control=True))[0] for text in hermes.CALL_BEGINNINGS]
        never = [[token, False] for token in openings]
        async with aclosing(self._written({**body, "logit_bias": never}, thinking)) as parts:
            async for part in parts:
                yield part

    async def _written(self, body: dict[str, Any], thinking: bool) -> AsyncGenerator[Generated]:
        text = GeneratedText(self._thoughts, thinking, self._tools)
        async with aclosing(self._server.stream(body)) as events:
            async for event in events:
                self._so_far = _finished(event)
                for part in text.push(event["content"]):
                    yield part
                if event["stop"]:
                    for part in text.finish():
                        yield part
                    yield self._so_far

    async def _forced_call(self, body: dict[str, Any], tools: Sequence[Tool]) -> AsyncGenerator[Generated]:
        text = ""
        async with aclosing(self._server.stream(body)) as events:
            async for event in events:
                self._so_far = _finished(event)
                text += event["content"]
                if event["stop"]:
                    yield hermes.parse_call(text, tools)
                    yield self._so_far

    async def _prompt(self, at_once: bool = False) -> tuple[list[int], bool]:
        """The tokens of everything up to where the assistant continues, and whether that is inside a thought.

        `at_once`: not inside one, if that can be helped.
        """
        closed, answer = split_answer(self._units, at_once)
        tokens, rest = await self._render(closed)
        opening, thinking = opening_of_answer(self._thoughts, rest, answer)
        for text, control in opening:
            tokens = tokens + await self._server.tokenize(text, control)
        return tokens, thinking

    async def _open_prompt(self) -> tuple[list[int], int | None]:
        """The tokens up to the last word of the last message, and the token that would close it."""
        tokens, rest = await self._render(self._units)
        closing = await self._server.tokenize(rest, control=True)
        return tokens, next(iter(closing), None)

    async def _render(self, units: Sequence[Unit]) -> tuple[list[int], str]:
        """The tokens up to the last word of the last message, and the template's text after it.

        The last result is kept: an answer asks twice, for its length and for itself.
        """
        if self._rendered is None or self._rendered[0] != units:
            self._rendered = (list(units), *await self._render_anew(units))
        _, tokens, rest = self._rendered
        return tokens, rest

    async def _render_anew(self, units: Sequence[Unit]) -> tuple[list[int], str]:
        given = TemplateInput(self._instructions, self._tools, units)
        texts = texts_of(given.pieces)
        rendered = (await self._server.call("POST", "/apply-template", {"messages": given.messages}))["prompt"]
        parts, rest = given.split(rendered)
        tokens: list[int] = []
        for (before, _), text in zip(parts, texts, strict=True):
            tokens += await self._server.tokenize(before, control=True)
            tokens += await self._server.tokenize(text, control=False)
        return tokens, rest


def _end_of_turn(likeliest: Sequence[dict[str, Any]], closing: int | None) -> float:
    """Probability that the next token ends a sentence, or the message, as `closing` does."""
    return math.fsum(
        math.exp(candidate["logprob"])
        for candidate in likeliest
        if candidate["id"] == closing or closes_a_sentence(candidate["token"])
    )


def _finished(event: dict[str, Any]) -> Finished:
    """The generation up to `event`. Only the last one has the type of its end, and in older servers the timings."""
    return Finished(
        reason="length" if event.get("stop_type") == "limit" else "stop",
        prompt_tokens=event["tokens_evaluated"],
        cached_tokens=event.get("timings", {}).get("cache_n", 0),
        completion_tokens=event["tokens_predicted"],
    )
