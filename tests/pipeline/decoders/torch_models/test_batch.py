"""Several conversations in one pass through a model, against each by itself."""

import asyncio
import copy
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from pipeline.decoders.decoder import Close, DecoderError, Finished, Open, Sampling, Text, Token, Unit
from pipeline.decoders.torch_models import audio_native
from pipeline.decoders.torch_models.batch import TokenBatcher
from pipeline.decoders.torch_models.kv_reader import CHUNK, Atom, KvReader, chunks, read_each
from pipeline.decoders.torch_models.sampler import Sampler
from pipeline.decoders.torch_models.transformers_lm import TransformersContext, TransformersDecoder
from pipeline.encoders.audio_units import Embeddings
from tests.support import audio_native_models
from tests.support.small_models import VOCABULARY, WIDTH, gemma, qwen, tokenizer

TOLERANCE = 1e-4
GREEDY = Sampling(temperature=0, top_p=1, max_tokens=30)
WORDS = [qwen, gemma]
HEARING = [
    audio_native_models.qwen25_omni,
    audio_native_models.qwen3_omni,
    audio_native_models.qwen2_audio,
    audio_native_models.gemma,
]


@dataclass
class Passes:
    """The shape of each pass through a model; and what is to happen in it, if anything is."""

    model: PreTrainedModel
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    during: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.model.register_forward_pre_hook(self._note, with_kwargs=True)

    def tokens(self) -> list[int]:
        """The rows of each pass that reads a token."""
        return [rows for rows, width in self.shapes if width == 1]

    def _note(self, model: object, args: object, kwargs: dict[str, torch.Tensor]) -> None:
        self.shapes.append(tuple(kwargs["input_ids"].shape))
        self.during()


@asynccontextmanager
async def decoder(model: PreTrainedModel | None = None) -> AsyncIterator[tuple[TransformersDecoder, Passes]]:
    """With what passes through the model, each so long that all who can ask for a token have done so."""
    made = TransformersDecoder(model or fresh(qwen), tokenizer(), capacity=3 * CHUNK, threads=1)
    passes = Passes(made.model)
    loop = asyncio.get_running_loop()

    async def the_others_go_on() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    passes.during = lambda: asyncio.run_coroutine_threadsafe(the_others_go_on(), loop).result()
    try:
        yield made, passes
    finally:
        await made.close()


def fresh(build: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    """A model that no other test hooks into."""
    return copy.deepcopy(build())


def asked(question: str) -> list[Unit]:
    return [Open("user"), Text(question), Close("user")]


async def opened(decoding: TransformersDecoder, question: str) -> TransformersContext:
    context = decoding.open("Be brief.")
    await context.append(asked(question))
    return context


async def answer(context: TransformersContext, sampling: Sampling = GREEDY) -> str:
    parts = [part async for part in context.generate(sampling)]
    assert isinstance(parts.pop(), Finished)
    return "".join(part.text for part in parts if isinstance(part, Token))


def reader_of(model: PreTrainedModel, prompt: Sequence[Atom]) -> KvReader:
    reader = KvReader(model)
    read_on(reader, prompt)
    return reader


def read_on(reader: KvReader, prompt: Sequence[Atom]) -> None:
    for atoms in chunks(prompt, reader.keep(prompt)):
        reader.read(atoms)


@dataclass
class Twins:
    """Two readers of the same, one that reads by itself and one that reads with others."""

    alone: KvReader
    together: KvReader
    prompt: list[Atom]

    @classmethod
    def of(cls, model: PreTrainedModel, prompt: list[Atom]) -> "Twins":
        return cls(reader_of(model, prompt), reader_of(model, prompt), prompt)

    def fork(self) -> "Twins":
        return Twins(self.alone.fork(), self.together.fork(), list(self.prompt))

    def go_on(self, prompt: list[Atom]) -> None:
        self.prompt = prompt
        read_on(self.alone, prompt)
        read_on(self.together, prompt)


def words(chance: random.Random, most: int) -> list[Atom]:
    return [chance.randrange(VOCABULARY) for _ in range(chance.randint(1, most))]


def sound(chance: random.Random) -> list[Atom]:
    seeded = torch.Generator().manual_seed(chance.randrange(100))
    heard = Embeddings(torch.randn(chance.randint(1, 12), WIDTH, generator=seeded))
    return [(heard, index) for index in range(len(heard))]


def largest_difference(model: PreTrainedModel, rounds: int) -> float:
    """Conversations of random lengths, now these in a round and now those, forked, gone back in and read on between."""
    chance = random.Random(0)
    talks = [Twins.of(model, [*words(chance, 40), *sound(chance), *words(chance, 3)]) for _ in range(3)]
    largest = 0.0
    for _ in range(rounds):
        one = chance.choice(talks)
        match chance.randrange(4):
            case 0 if len(talks) < 6:
                talks.append(one.fork())
            case 1:
                one.go_on([*one.prompt[: chance.randint(1, len(one.prompt))], *words(chance, 5)])
            case 2:
                one.go_on([*one.prompt, *sound(chance)])
        members = chance.sample(talks, chance.randint(1, len(talks)))
        tokens = [chance.randrange(VOCABULARY) for _ in members]
        found = read_each([member.together for member in members], tokens)
        for member, token, logits in zip(members, tokens, found, strict=True):
            member.prompt.append(token)
            expected = member.alone.read([token])
            assert expected.std() > 0.1, "a model that says the same of everything proves nothing"
            largest = max(largest, float((logits - expected).abs().max()))
    return largest


@pytest.mark.parametrize("build", WORDS)
def test_together_the_logits_are_those_of_each_by_itself(build: Callable[[], PreTrainedModel]) -> None:
    assert largest_difference(build(), rounds=120) < TOLERANCE


@pytest.mark.parametrize("build", HEARING, ids=lambda build: build.__name__)
async def test_so_they_are_with_models_that_hear(build: Callable[[Path], PreTrainedModel], tmp_path: Path) -> None:
    build(tmp_path)
    decoding = await audio_native.load(tmp_path, device="cpu", capacity=1000, threads=1)
    try:
        assert largest_difference(decoding.model, rounds=60) < TOLERANCE
    finally:
        await decoding.close()


def test_one_alone_is_neither_padded_nor_masked() -> None:
    given: list[dict[str, Any]] = []
    model = fresh(qwen)
    reader = reader_of(model, [1, 2, 3])
    model.register_forward_pre_hook(lambda model, args, kwargs: given.append(kwargs), with_kwargs=True)
    read_each([reader], [4])
    assert given[0]["past_key_values"] is reader.cache
    assert "attention_mask" not in given[0]


@pytest.mark.parametrize("build", WORDS)
async def test_answers_written_together_are_those_written_alone(build: Callable[[], PreTrainedModel]) -> None:
    """Each with its own sampling: greedy ones, and drawn ones of which two have the same seed."""
    questions = ["Well?", "What is the capital of France?", "And of Italy, and of all the others?", "Sing!", "Sing!"]
    drawn = [Sampling(temperature=1, top_p=0.9, max_tokens=30, seed=seed) for seed in (1, 2, 2)]
    samplings = [GREEDY, GREEDY, *drawn]
    async with decoder(fresh(build)) as (decoding, passes):
        alone, lengths = [], []
        for question, sampling in zip(questions, samplings, strict=True):
            passes.shapes.clear()
            alone.append(await answer(await opened(decoding, question), sampling))
            lengths.append(len(passes.tokens()))
        passes.shapes.clear()
        contexts = [await opened(decoding, question) for question in questions]
        together = await asyncio.gather(*map(answer, contexts, samplings))
    assert list(together) == alone
    assert sum(passes.tokens()) == sum(lengths)
    assert len(passes.tokens()) <= max(lengths) + len(questions), "as many rounds as the longest answer has tokens"
    assert alone[3] == alone[4]
    assert len(set(alone[1:])) == 3


async def test_a_thought_and_a_word_from_one_mind_are_one_pass() -> None:
    async with decoder() as (decoding, passes):
        speaking = await opened(decoding, "Well?")
        await speaking.prefill()
        thinking = await speaking.fork()
        await thinking.append([Open("assistant"), Text("Hm, ")])
        alone = [await answer(await context.fork()) for context in (speaking, thinking)]
        passes.shapes.clear()
        together = await asyncio.gather(answer(speaking), answer(thinking))
    assert list(together) == alone
    assert passes.tokens().count(2) > 20, "nearly all of 30"


async def readers_of(decoding: TransformersDecoder, *lengths: int) -> list[KvReader]:
    return [await decoding.run(partial(reader_of, decoding.model, [7] * length)) for length in lengths]


async def written(batch: TokenBatcher, reader: KvReader, count: int) -> list[int]:
    sampler = Sampler(GREEDY, torch.device("cpu"))
    tokens = [1]
    for _ in range(count):
        tokens.append(await batch.step(reader, sampler, tokens[-1]))
    return tokens


async def test_who_writes_together_stays_together() -> None:
    async with decoder() as (decoding, passes):
        readers = await readers_of(decoding, 3, 9, 4)
        passes.shapes.clear()
        await asyncio.gather(*(written(decoding.batch, reader, 10) for reader in readers))
        assert passes.shapes == [(3, 1)] * 10


async def test_who_comes_later_joins_the_next_round() -> None:
    async def run(work: Callable[[], list[int]]) -> list[int]:
        """As if on a thread that is always free, and done when all others have waited for long."""
        tokens = work()
        for _ in range(20):
            await asyncio.sleep(0)
        return tokens

    passes = Passes(fresh(qwen))
    batch = TokenBatcher(run)
    readers = [reader_of(passes.model, [7] * length) for length in (3, 9)]
    passes.shapes.clear()
    first = asyncio.create_task(written(batch, readers[0], 10))
    while len(passes.shapes) < 4:
        await asyncio.sleep(0)
    await asyncio.gather(first, written(batch, readers[1], 10))
    assert passes.shapes == [(1, 1)] * 4 + [(2, 1)] * 6 + [(1, 1)] * 4


async def test_a_long_prompt_and_answers_take_turns() -> None:
    async with decoder() as (decoding, passes):
        long = decoding.open("Be brief.")
        await long.append(asked("word " * (2 * CHUNK // 5)))
        readers = await readers_of(decoding, 3, 9)
        passes.shapes.clear()
        writing = [asyncio.create_task(written(decoding.batch, reader, 6)) for reader in readers]
        while not passes.shapes:
            await asyncio.sleep(0)
        await long.prefill()
        await asyncio.gather(*writing)
        kinds = ["token" if width == 1 else "chunk" for _, width in passes.shapes]
        assert kinds.count("chunk") == 3
        begins = kinds.index("chunk")
        assert kinds[begins : begins + 6] == ["chunk", "token"] * 3


async def test_who_is_cancelled_while_waiting_is_left_out() -> None:
    async with decoder() as (decoding, passes):
        readers = await readers_of(decoding, 3, 9, 4)
        expected = [await written(decoding.batch, reader.fork(), 1) for reader in readers]
        passes.shapes.clear()
        gate = Event()
        blocked = asyncio.create_task(decoding.run(gate.wait))
        await asyncio.sleep(0)
        tasks = [asyncio.create_task(written(decoding.batch, reader, 1)) for reader in readers]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait(tasks[1:2])
        gate.set()
        await blocked
        assert [await tasks[0], await tasks[2]] == [expected[0], expected[2]]
        assert passes.shapes == [(2, 1)]
        assert [len(reader) for reader in readers] == [4, 9, 5]


async def test_who_is_cancelled_in_a_round_does_not_disturb_it() -> None:
    async with decoder() as (decoding, passes):
        readers = await readers_of(decoding, 3, 9, 4)
        expected = [await written(decoding.batch, reader.fork(), 3) for reader in readers]
        passes.shapes.clear()
        tasks = [asyncio.create_task(written(decoding.batch, reader, 3)) for reader in readers]
        while len(passes.shapes) < 2:
            await asyncio.sleep(0)
        tasks[1].cancel()  # each pass waits for this loop, so it is under way
        assert [await tasks[0], await tasks[2]] == [expected[0], expected[2]]
        assert tasks[1].cancelled()
        assert passes.shapes == [(3, 1), (3, 1), (2, 1)]
        assert len(readers[1]) == 11, "what was under way was read"
        await decoding.run(partial(readers[1].keep, [*[7] * 9, 1]))
        assert await written(decoding.batch, readers[1], 3) == expected[1]


@pytest.mark.parametrize("layer", [0, 2])
async def test_when_the_model_fails_each_is_told_and_can_go_on(layer: int) -> None:
    failing = False

    def fail(*_: object) -> None:
        if failing:
            raise RuntimeError("out of memory")

    async with decoder() as (decoding, passes):
        decoding.model.model.layers[layer].register_forward_pre_hook(fail)
        contexts = [await opened(decoding, question) for question in ("Well?", "What else?", "Sure?")]
        expected = [await answer(await context.fork()) for context in contexts]
        writing = [asyncio.create_task(answer(context)) for context in contexts]
        while (3, 1) not in passes.shapes:
            await asyncio.sleep(0)
        failing = True
        for outcome in await asyncio.gather(*writing, return_exceptions=True):
            assert isinstance(outcome, DecoderError)
            assert "Qwen2ForCausalLM failed: out of memory" in str(outcome)
        failing = False
        assert list(await asyncio.gather(*map(answer, contexts))) == expected


async def test_a_closed_decoder_writes_nothing() -> None:
    async with decoder() as (decoding, _):
        readers = await readers_of(decoding, 3, 9)
        await decoding.close()
        tasks = [written(decoding.batch, reader, 1) for reader in readers]
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(outcome, DecoderError)
