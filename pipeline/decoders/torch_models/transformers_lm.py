"""Any causal language model of transformers, in this process, on text and on audio.

Each conversation has a KV cache, and a prompt is read from where it differs from what the cache holds. So appending is
reading a longer prompt, and rewinding is reading a shorter one. Source: https://github.com/huggingface/transformers
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
from pipeline.decoders.chat_template import TemplateInput, opening_of_answer, split_answer
from pipeline.decoders.decoder import (
    NOTHING_GENERATED,
    DecoderError,
    Finished,
    Generated,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
    Unit,
)
from pipeline.decoders.generated_text import GeneratedText
from pipeline.decoders.messages import closes_a_sentence
from pipeline.decoders.thought_formats import ThoughtFormat, format_of_template, mark_tokens
from pipeline.decoders.torch_models.batch import TokenBatcher
from pipeline.decoders.torch_models.checkpoint import load_pretrained
from pipeline.decoders.torch_models.kv_reader import Atom, KvReader, check_exact, check_rewindable, chunks
from pipeline.decoders.torch_models.sampler import Sampler
from pipeline.decoders.unit_list import UnitList
from pipeline.encoders.audio_units import Embeddings
from pipeline.encoders.encoder import Encoder

T = TypeVar("T")

_CANDIDATES = 40
"""Likeliest next tokens that are examined; the others hardly add to the probability."""

_REMEMBERED_TEXTS = 1000
"""Texts whose tokens are cached: parts of templates and the messages of the open conversations."""


class TransformersDecoder:
    """A loaded model, shared by all conversations.

    Its thread reads a chunk of one conversation's prompt, then of the next one's; between two chunks, all conversations
    that are generating get their next token in one pass.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        *,
        capacity: int,
        threads: int,
        audio_tags: tuple[str, str] = ("", ""),
        thoughts: ThoughtFormat | None = None,
        audio_encoder: Encoder | None = None,
    ) -> None:
        """`capacity`: tokens of a context. `audio_tags`: what the model expects before and after a recording;
        "{number}" counts those of a prompt from 1. `thoughts`: None: as the chat template has it.

        Raises `DecoderError` for a model that can't be rewound, or not in so large a context, or has no chat template.
        """
        check_rewindable(model)
        check_exact(model, capacity)
        if not tokenizer.chat_template:
            raise DecoderError(f"{tokenizer.name_or_path or 'the model'} has no chat template: choose a chat model")
        self.model = model.train(False)
        self.tokenizer = tokenizer
        self.capacity = capacity
        self.control = tokenizer.backend_tokenizer
        # A copy, because reading control tokens is a state of the tokenizer, not an argument.
        self._plain = type(self.control).from_str(self.control.to_str())
        self._plain.encode_special_tokens = True
        self.tokenize = lru_cache(_REMEMBERED_TEXTS)(self._tokenize)
        self.thoughts = thoughts or format_of_template(str(tokenizer.chat_template))
        self._audio_opens, audio_closes = audio_tags
        self.audio_closes = self.tokenize(audio_closes, control=True)
        self.audio_encoder = audio_encoder
        self.stops = _stops(model, tokenizer)
        self._special = frozenset(token for token, added in tokenizer.added_tokens_decoder.items() if added.special)
        self._thread = ThreadPoolExecutor(1, "decoder", torch.set_num_threads, (threads,))
        self.batch = TokenBatcher(self.run)
        """Generates the next tokens of several conversations in one pass."""

    @classmethod
    async def load(
        cls, folder: Path, *, device: str, capacity: int, threads: int, thoughts: ThoughtFormat | None = None
    ) -> "TransformersDecoder":
        """Load a model that `save_pretrained` wrote: in float32 on the CPU, in bfloat16 on a GPU.

        `device`: a torch device; "auto" is a GPU if there is one. Raises `DecoderError`, `CheckpointError`.
        """
        target = torch_device(device)
        dtype = torch.float32 if target == "cpu" else torch.bfloat16

        def loaded() -> "TransformersDecoder":
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = load_pretrained(AutoModelForCausalLM, folder, dtype)
            if not isinstance(tokenizer, PreTrainedTokenizerFast):
                raise DecoderError(f"{folder} has no tokenizer.json: choose a model that has one")
            torch.nn.Module.to(model, target)
            return cls(model, tokenizer, capacity=capacity, threads=threads, thoughts=thoughts)

        return await asyncio.to_thread(loaded)

    @property
    def thinks(self) -> bool:
        return bool(self.thoughts.opens)

    @property
    def thinks_aloud(self) -> bool:
        return self.thoughts.aloud

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> "TransformersContext":
        return TransformersContext(self, KvReader(self.model), instructions, tools)

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` on the model's thread, after everything that was queued before. Raises `DecoderError`.

        Cancelled while it waits, it never runs; cancelled while it runs, it runs to its end before the next work.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (RuntimeError, ValueError, IndexError) as error:  # what torch raises, out of memory included
            raise DecoderError(f"{type(self.model).__name__} failed: {error}") from error

    def audio_opens(self, number: int) -> tuple[int, ...]:
        """Tokens before recording `number` of a prompt."""
        return self.tokenize(self._audio_opens.replace("{number}", str(number)), control=True)

    def apply_template(self, messages: list[dict[str, str]]) -> str:
        """The prompt for `messages`. Raises `DecoderError` if the model's chat template refuses them."""
        try:
            rendered = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise DecoderError(f"the model's chat template can't render the conversation: {error}") from error
        return str(rendered)

    @property
    def unwritten(self) -> frozenset[int]:
        """Control tokens that are not part of the generated text."""
        return self._special - mark_tokens(self.thoughts, partial(self.tokenize, control=True))

    def _tokenize(self, text: str, control: bool) -> tuple[int, ...]:
        """Tokens of `text`; control tokens spelled out in it are read as such only if `control`."""
        tokenizer = self.control if control else self._plain
        return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


def torch_device(device: str) -> str:
    """The torch device to use: "auto" is a GPU if there is one. Raises `DecoderError` if it does not exist."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DecoderError(f"decoder.device = {device!r} is not a device of this machine: {error}") from error
    return device


class TransformersContext(UnitList):
    """One conversation in a transformers model: its prompt, and the KV cache of what was read."""

    def __init__(
        self,
        decoder: TransformersDecoder,
        reader: KvReader,
        instructions: str,
        tools: Sequence[Tool],
        units: Sequence[Unit] = (),
    ) -> None:
        super().__init__(decoder.capacity, tools, units)
        self._decoder = decoder
        self._reader = reader
        self._instructions = instructions
        self._rendered: tuple[list[Unit], _Rendered] | None = None
        """The units that were rendered last, and the result."""
        self._so_far = NOTHING_GENERATED

    @property
    def so_far(self) -> Finished:
        return self._so_far

    async def fork(self) -> "TransformersContext":
        """See `ForkableContext`. The two share the cache's tensors until they read on: concatenation copies them."""
        prompt, _ = self._prompt()
        await self._read(prompt)
        reader = await self._decoder.run(self._reader.fork)
        return TransformersContext(self._decoder, reader, self._instructions, self._tools, self._units)

    async def length(self) -> int:
        prompt, _ = self._prompt()
        return len(prompt)

    async def prefill(self) -> float | None:
        """See `Context`. None where the open message ends with audio: no model is trained to predict what follows."""
        rendered = self._render(self._units)
        logits, _ = await self._read(rendered.atoms)
        if rendered.open_audio:
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

    async def end_of_turn_probability(self) -> float | None:
        rendered = self._render(self._units)
        return None if rendered.open_audio else await self.prefill()

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Generated]:
        self._so_far = NOTHING_GENERATED
        forced = self.forced_tools(tool_choice)
        prompt, thinking = self._prompt(at_once=bool(forced))
        opening = _call_opening(forced)
        prompt = [*prompt, *self._decoder.tokenize(opening, control=True)]
        logits, cached = await self._read(prompt)
        room = self.capacity - len(prompt)
        parts = _GeneratedTokens(self._decoder, GeneratedText(self._decoder.thoughts, thinking, self._tools, opening))
        called = False
        async with aclosing(self._tokens(logits, sampling)) as tokens:
            count = 0
            stopped = False
            async for token in tokens:
                count += 1
                self._so_far = Finished("stop", len(prompt), cached, count)
                stopped = token in self._decoder.stops
                for part in parts.finish() if stopped else parts.push(token):
                    yield part
                    called = called or isinstance(part, ToolCall)
                if stopped or (forced and called) or count == min(sampling.max_tokens, room):
                    break
        if not stopped:
            for part in parts.finish():
                yield part
        self._so_far = Finished("stop" if stopped or (forced and called) else "length", len(prompt), cached, count)
        yield self._so_far

    async def close(self) -> None:
        self._reader = KvReader(self._decoder.model)

    async def _tokens(self, logits: torch.Tensor, sampling: Sampling) -> AsyncGenerator[int]:
        """Generated tokens, without end, each in one pass with those of the other conversations."""
        sampler = Sampler(sampling, logits.device)
        token = await self._decoder.run(partial(sampler.draw, logits))
        while True:
            yield token
            token = await self._decoder.batch.step(self._reader, sampler, token)

    async def _read(self, prompt: Sequence[Atom]) -> tuple[torch.Tensor, int]:
        """Read what is new in `prompt`. Returns the logits of the next token, and how many atoms were cached."""
        if len(prompt) >= self.capacity:
            raise DecoderError(f"the prompt takes {len(prompt)} tokens and the context has {self.capacity}")
        reader = self._reader
        cached = await self._decoder.run(partial(reader.keep, prompt))
        logits = torch.empty(0)
        for atoms in chunks(prompt, cached):
            logits = await self._decoder.run(partial(reader.read, atoms))
        return logits, cached

    def _prompt(self, at_once: bool = False) -> tuple[list[Atom], bool]:
        """Everything up to where the assistant continues, and whether that is inside a thought.

        `at_once`: not inside one, if that can be helped.
        """
        closed, answer = split_answer(self._units, at_once)
        rendered = self._render(closed)
        opening, thinking = opening_of_answer(self._decoder.thoughts, rendered.rest, answer)
        atoms = [*rendered.atoms, *(self._decoder.audio_closes if rendered.open_audio else ())]
        for text, control in opening:
            atoms += self._decoder.tokenize(text, control)
        return atoms, thinking

    def _render(self, units: Sequence[Unit]) -> "_Rendered":
        """All of `units`, through the model's own chat template; the last result is kept."""
        if self._rendered is None or self._rendered[0] != units:
            self._rendered = (list(units), self._render_anew(units))
        return self._rendered[1]

    def _render_anew(self, units: Sequence[Unit]) -> "_Rendered":
        given = TemplateInput(self._instructions, self._tools, units)
        parts, rest = given.split(self._decoder.apply_template(given.messages))
        decoder, atoms, open_audio, recordings = self._decoder, list[Atom](), False, 0
        for before, piece in parts:
            continues = isinstance(piece, Embeddings) and piece.continues and not before
            if open_audio and not continues:
                atoms += decoder.audio_closes
            atoms += decoder.tokenize(before, control=True)
            if isinstance(piece, str):
                atoms += decoder.tokenize(piece, control=False)
            else:
                if not (open_audio and continues):
                    recordings += 1
                    atoms += decoder.audio_opens(recordings)
                atoms += ((piece, index) for index in range(len(piece)))
            open_audio = isinstance(piece, Embeddings)
        return _Rendered(atoms, open_audio, rest)


@dataclass(frozen=True, slots=True)
class _Rendered:
    atoms: list[Atom]
    """The prompt up to the last text or audio of the last message."""
    open_audio: bool
    """Whether audio comes last, with its closing tag still to follow."""
    rest: str
    """The template's text after that."""


class _GeneratedTokens:
    """The tokens of one answer as they arrive, as thoughts, words and calls."""

    def __init__(self, decoder: TransformersDecoder, text: GeneratedText) -> None:
        self._tokenizer = decoder.control
        self._unwritten = decoder.unwritten
        self._decoded = DecodeStream(skip_special_tokens=False)
        self._text = text

    def push(self, token: int) -> Iterator[Generated]:
        """Take a token. Text is held back while a character lacks bytes, or while it may become a tag."""
        if token not in self._unwritten and (text := self._decoded.step(self._tokenizer, token)):
            yield from self._text.push(text)

    def finish(self) -> Iterator[Generated]:
        yield from self._text.finish()


def _call_opening(tools: Sequence[Tool]) -> str:
    """How a call to one of `tools` begins. The rest is not constrained by a grammar."""
    if not tools:
        return ""
    named = f'{json.dumps(tools[0].name)}, "arguments": ' if len(tools) == 1 else ""
    return f'{hermes.CALL_OPENS}\n{{"name": {named}'


def _stops(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """The tokens that end an answer."""
    configured = model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    return frozenset(ends - {None})
