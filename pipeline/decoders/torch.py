"""Any causal language model of transformers, in this process, on words and on sound.

What was read stays in a KV cache per conversation; a prompt is read from where it differs from that. So appending is
reading a longer prompt, and rewinding is asking for a shorter one. Source: https://github.com/huggingface/transformers
"""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import jinja2
import torch
from tokenizers.decoders import DecodeStream
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from pipeline.decoders import hermes
from pipeline.decoders.batch import Batch
from pipeline.decoders.checkpoint import load_pretrained
from pipeline.decoders.decoder import (
    DecoderError,
    Finished,
    Sampling,
    Text,
    Thought,
    Token,
    Tool,
    ToolCall,
    ToolChoice,
    Unit,
    Written,
)
from pipeline.decoders.messages import Piece, closes_a_sentence, joined, parted, stand_in
from pipeline.decoders.reading import Atom, Reader, check_exact, check_rewindable, chunks
from pipeline.decoders.sampling import Sampler
from pipeline.decoders.thoughts import ThoughtSplitter, format_of_template, mark_tokens
from pipeline.decoders.units import UnitList
from pipeline.embeddings import Embeddings
from pipeline.encoders.encoder import Encoder

T = TypeVar("T")

_CANDIDATES = 40
"""Likeliest next tokens that are looked at; what is not among them hardly weighs."""

_REMEMBERED_TEXTS = 1000
"""Whose tokens are kept: template parts and the messages of the conversations that are open."""


class Torch:
    """A loaded model, shared by all conversations. Its thread reads a piece of one's prompt, then of the next one's;
    whoever writes meanwhile gets a token in between, all together."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        *,
        capacity: int,
        threads: int,
        sound_tags: tuple[str, str] = ("", ""),
    ) -> None:
        """`sound_tags`: what the model expects before and behind a sound; "{number}" counts those of a prompt from 1.

        Raises `DecoderError` for a model whose layers can't go back, or not in so large a context, or that has no chat
        template.
        """
        check_rewindable(model)
        check_exact(model, capacity)
        if not tokenizer.chat_template:
            raise DecoderError(f"{tokenizer.name_or_path or 'the model'} has no chat template: choose a chat model")
        self.model = model.train(False)
        self.tokenizer = tokenizer
        self.capacity = capacity
        self.control = tokenizer.backend_tokenizer
        # A copy, for how control tokens are read is a state of the tokenizer, not of a call.
        self._plain = type(self.control).from_str(self.control.to_str())
        self._plain.encode_special_tokens = True
        self.tokenize = lru_cache(_REMEMBERED_TEXTS)(self._tokenize)
        self.thoughts = format_of_template(str(tokenizer.chat_template))
        """How the model writes its thoughts; may be set to make a model think that was not taught a way of its own."""
        self._sound_opens, sound_closes = sound_tags
        self.sound_closes = self.tokenize(sound_closes, control=True)
        self.ear: Encoder | None = None
        """Set where the model came with one."""
        self.stops = _stops(model, tokenizer)
        self._special = frozenset(token for token, added in tokenizer.added_tokens_decoder.items() if added.special)
        self._thread = ThreadPoolExecutor(1, "decoder", torch.set_num_threads, (threads,))
        self.batch = Batch(self.run)
        """Where single tokens are written."""

    @classmethod
    async def load(cls, folder: Path, *, device: str, capacity: int, threads: int) -> "Torch":
        """Load a model that `save_pretrained` wrote. `device`: "auto" is a GPU if there is one. There, in bfloat16.

        Raises `DecoderError`, `CheckpointError`.
        """
        place = placed(device)
        dtype = torch.float32 if place == "cpu" else torch.bfloat16

        def loaded() -> "Torch":
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = load_pretrained(AutoModelForCausalLM, folder, dtype)
            if not isinstance(tokenizer, PreTrainedTokenizerFast):
                raise DecoderError(f"{folder} has no tokenizer.json: choose a model that has one")
            torch.nn.Module.to(model, place)
            return cls(model, tokenizer, capacity=capacity, threads=threads)

        return await asyncio.to_thread(loaded)

    @property
    def thinks(self) -> bool:
        return bool(self.thoughts.opens)

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> "TorchContext":
        return TorchContext(self, Reader(self.model), instructions, tools)

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` on the model's thread, after all that was asked for before. Raises `DecoderError`.

        Cancelled while it waits, it is not done; while it is done, it ends, and what comes next finds it ended.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (RuntimeError, ValueError, IndexError) as error:  # what torch raises, out of memory included
            raise DecoderError(f"{type(self.model).__name__} failed: {error}") from error

    def sound_opens(self, number: int) -> tuple[int, ...]:
        """What stands before the sound of that number."""
        return self.tokenize(self._sound_opens.replace("{number}", str(number)), control=True)

    def apply_template(self, messages: list[dict[str, str]]) -> str:
        """Raises `DecoderError` if the model's chat template refuses them."""
        try:
            rendered = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise DecoderError(f"the model's chat template can't render the conversation: {error}") from error
        return str(rendered)

    @property
    def unwritten(self) -> frozenset[int]:
        """Control tokens that are no part of an answer's text."""
        return self._special - mark_tokens(self.thoughts, partial(self.tokenize, control=True))

    def _tokenize(self, text: str, control: bool) -> tuple[int, ...]:
        """Tokens of `text`; control tokens spelled out in it are read as such only if `control`."""
        tokenizer = self.control if control else self._plain
        return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


def placed(device: str) -> str:
    """Where models run: "auto" is a GPU if there is one. Raises `DecoderError` for a device that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DecoderError(f"decoder.device = {device!r} is no device of this machine: {error}") from error
    return device


class TorchContext(UnitList):
    """One conversation's prompt, and what the model has read of it."""

    def __init__(self, decoder: Torch, reader: Reader, instructions: str, tools: Sequence[Tool]) -> None:
        super().__init__(decoder.capacity, tools)
        self._decoder = decoder
        self._reader = reader
        self._instructions = instructions
        self._rendered: tuple[list[Unit], _Rendered] | None = None
        """What was rendered last, of which units."""

    async def fork(self) -> "TorchContext":
        """The two share the cache's tensors until they read on: layers grow by concatenation, which copies them."""
        prompt, _ = self._prompt()
        await self._read(prompt)
        reader = await self._decoder.run(self._reader.fork)
        twin = TorchContext(self._decoder, reader, self._instructions, self._tools)
        twin._units = list(self._units)
        return twin

    async def length(self) -> int:
        prompt, _ = self._prompt()
        return len(prompt)

    async def end_of_turn_probability(self) -> float | None:
        """None where the message that is open ends with sound: no model is taught what would come behind it."""
        rendered = self._render(self._units)
        logits, _ = await self._read(rendered.atoms)
        if rendered.sounding:
            return None
        closing = next(iter(self._decoder.tokenize(rendered.rest, control=True)), None)
        found = await self._decoder.run(lambda: logits.softmax(0).topk(min(_CANDIDATES, len(logits))))
        likeliest = zip(found.values.tolist(), found.indices.tolist(), strict=True)
        decode = self._decoder.control.decode
        return math.fsum(
            probability
            for probability, token in likeliest
            if token == closing or closes_a_sentence(decode([token], skip_special_tokens=False))
        )

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Written]:
        forced = self._forced_tools(tool_choice)
        prompt, thinking = self._prompt(at_once=bool(forced))
        opening = _call_opening(forced)
        prompt = [*prompt, *self._decoder.tokenize(opening, control=True)]
        logits, cached = await self._read(prompt)
        room = self.capacity - len(prompt)
        parts = _Parts(self._decoder, thinking, opening)
        called = False
        async with aclosing(self._tokens(logits, sampling)) as tokens:
            count = 0
            stopped = False
            async for token in tokens:
                count += 1
                stopped = token in self._decoder.stops
                for part in parts.finish() if stopped else parts.push(token):
                    yield part
                    called = called or isinstance(part, ToolCall)
                if stopped or (forced and called) or count == min(sampling.max_tokens, room):
                    break
        if not stopped:
            for part in parts.finish():
                yield part
        yield Finished("stop" if stopped or (forced and called) else "length", len(prompt), cached, count)

    async def close(self) -> None:
        self._reader = Reader(self._decoder.model)

    async def _tokens(self, logits: torch.Tensor, sampling: Sampling) -> AsyncGenerator[int]:
        """What the model writes, without end, each token in the same pass as those of others who write."""
        sampler = Sampler(sampling, logits.device)
        token = await self._decoder.run(partial(sampler.draw, logits))
        while True:
            yield token
            token = await self._decoder.batch.step(self._reader, sampler, token)

    async def _read(self, prompt: Sequence[Atom]) -> tuple[torch.Tensor, int]:
        """Read what is new in `prompt`. The logits of what follows it, and how many atoms had been read before."""
        if len(prompt) >= self.capacity:
            raise DecoderError(f"the prompt takes {len(prompt)} tokens and the context has {self.capacity}")
        reader = self._reader
        cached = await self._decoder.run(partial(reader.keep, prompt))
        logits = torch.empty(0)
        for atoms in chunks(prompt, cached):
            logits = await self._decoder.run(partial(reader.read, atoms))
        return logits, cached

    def _prompt(self, at_once: bool = False) -> tuple[list[Atom], bool]:
        """Everything up to where the assistant goes on, and whether that is inside a thought.

        `at_once`: not inside one, if that can be helped.
        """
        over, open_message = parted(self._units)
        if open_message is None and at_once:
            open_message = [Text("")]
        rendered = self._render(over)
        form, tokenize = self._decoder.thoughts, self._decoder.tokenize
        atoms = [*rendered.atoms, *(self._decoder.sound_closes if rendered.sounding else ())]
        if open_message is None:
            return [*atoms, *tokenize(rendered.rest, control=True)], form.is_thinking(rendered.rest)
        for text, control in form.goes_on(rendered.rest, open_message):
            atoms += tokenize(text, control)
        return atoms, form.goes_on_thinking(open_message)

    def _render(self, units: Sequence[Unit]) -> "_Rendered":
        """All of `units`, through the model's own chat template.

        The template is given stand-ins for what was said, and the tokens of the real words are put in their places, so
        that nothing a person says can be read as a control token.
        """
        if self._rendered is None or self._rendered[0] != units:
            self._rendered = (list(units), self._render_anew(units))
        return self._rendered[1]

    def _render_anew(self, units: Sequence[Unit]) -> "_Rendered":
        said: list[Piece] = [self._instructions + hermes.describe(self._tools)]
        messages = [{"role": "system", "content": stand_in(0)}]
        for role, pieces in joined(units):
            numbers = range(len(said), len(said) + len(pieces))
            messages.append({"role": role, "content": "".join(map(stand_in, numbers))})
            said += pieces
        rest = self._decoder.apply_template(messages)
        decoder, atoms, sounding, sounds = self._decoder, list[Atom](), False, 0
        for number, piece in enumerate(said):
            before, found, rest = rest.partition(stand_in(number))
            if not found:
                raise DecoderError("the model's chat template drops messages; choose a model with another template")
            goes_on = isinstance(piece, Embeddings) and piece.continues and not before
            if sounding and not goes_on:
                atoms += decoder.sound_closes
            atoms += decoder.tokenize(before, control=True)
            if isinstance(piece, str):
                atoms += decoder.tokenize(piece, control=False)
            else:
                if not (sounding and goes_on):
                    sounds += 1
                    atoms += decoder.sound_opens(sounds)
                atoms += ((piece, index) for index in range(len(piece)))
            sounding = isinstance(piece, Embeddings)
        return _Rendered(atoms, sounding, rest)

    def _forced_tools(self, choice: ToolChoice) -> tuple[Tool, ...]:
        if isinstance(choice, Tool):
            return (choice,)
        return self._tools if choice == "required" else ()


@dataclass(frozen=True, slots=True)
class _Rendered:
    atoms: list[Atom]
    """Everything up to the last word or sound of the last message."""
    sounding: bool
    """Whether a sound stands last, and is left open."""
    rest: str
    """What the template has behind it."""


class _Parts:
    """What the model writes, parted into thoughts, words and calls, as the tokens come."""

    def __init__(self, decoder: Torch, thinking: bool, opening: str) -> None:
        """`opening`: of a call, which was put into the model's mouth."""
        self._tokenizer = decoder.control
        self._unwritten = decoder.unwritten
        self._text = DecodeStream(skip_special_tokens=False)
        self._splitter = ThoughtSplitter(decoder.thoughts, thinking)
        self._parser = hermes.CallParser()
        for _ in self._parser.push(opening):
            pass

    def push(self, token: int) -> Iterator[Written]:
        """What came together: nothing while a letter lacks bytes, or what may be a tag its end."""
        if token not in self._unwritten and (text := self._text.step(self._tokenizer, token)):
            yield from self._calls(self._splitter.push(text))

    def finish(self) -> Iterator[Written]:
        yield from self._calls(self._splitter.finish())
        yield from self._parser.finish()

    def _calls(self, parts: Iterator[Thought | Token]) -> Iterator[Written]:
        for part in parts:
            if isinstance(part, Thought):
                yield part
            else:
                yield from self._parser.push(part.text)


def _call_opening(tools: Sequence[Tool]) -> str:
    """How a call to one of `tools` begins. No grammar holds the model to the rest of it."""
    if not tools:
        return ""
    named = f'{json.dumps(tools[0].name)}, "arguments": ' if len(tools) == 1 else ""
    return f'{hermes.CALL_OPENS}\n{{"name": {named}'


def _stops(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """Tokens that end an answer."""
    configured = model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    return frozenset(ends - {None})
