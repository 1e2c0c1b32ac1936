"""Two streams of one mind in this process: the second goes on from a fork of the first one's context."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedModel

from audio.pcm import INPUT_RATE
from pipeline.commands import AddItem, Cancel, Respond
from pipeline.conversation.items import Message
from pipeline.decoders.decoder import Close, Finished, Open, Sampling, Text, Thought, Token, Unit
from pipeline.decoders.thought_formats import QWEN3
from pipeline.decoders.torch_models import audio_native
from pipeline.decoders.torch_models.kv_reader import CHUNK
from pipeline.decoders.torch_models.transformers_lm import TransformersContext, TransformersDecoder
from pipeline.encoders.audio_units import Embeddings
from pipeline.events import OutputText, ResponseDone, Thoughts
from pipeline.settings import AgentSettings
from pipeline.thinking.schedule import Mode
from tests.support import audio_native_models
from tests.support.aloud import Talk
from tests.support.small_models import gemma, qwen, tokenizer
from tests.support.talk import SETTINGS

TWO = AgentSettings(think_about="everything", streams=2, think_tokens=6, speak_tokens=5, thought_budget=20)
TOKENS = 24
QUESTION = "What is six times seven?"
SOUND = np.random.default_rng(0).normal(0, 0.1, 3 * INPUT_RATE).astype(np.float32)
HEARING = audio_native_models.BUILDS
Build = Callable[[Path], PreTrainedModel]


@dataclass
class Passes:
    """What goes through a model. Each pass lasts so long that all who can ask for a token have done so."""

    decoder: TransformersDecoder
    tokens: list[int] = field(default_factory=list)
    """What was read in words, more than one token at once."""
    vectors: int = 0
    """What was read in sound."""
    rows: list[int] = field(default_factory=list)
    """Of each pass that reads a token, how many contexts it was for."""

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.decoder.model.register_forward_pre_hook(self._note, with_kwargs=True)

    @property
    def text(self) -> str:
        return str(self.decoder.tokenizer.decode(self.tokens))

    def _note(self, model: object, args: object, kwargs: dict[str, Any]) -> None:
        if "inputs_embeds" in kwargs:
            self.vectors += kwargs["inputs_embeds"].shape[1]
        elif kwargs["input_ids"].shape[1] == 1:
            self.rows.append(len(kwargs["input_ids"]))
        else:
            self.tokens += kwargs["input_ids"][0].tolist()
        asyncio.run_coroutine_threadsafe(_the_others_go_on(), self._loop).result()


async def _the_others_go_on() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def of_words(build: Callable[[], PreTrainedModel] = qwen) -> AsyncIterator[tuple[TransformersDecoder, Passes]]:
    made = TransformersDecoder(copy.deepcopy(build()), tokenizer(), capacity=8 * CHUNK, threads=1, thoughts=QWEN3)
    try:
        yield made, Passes(made)
    finally:
        await made.close()


@asynccontextmanager
async def of_sound(build: Build, folder: Path) -> AsyncIterator[tuple[TransformersDecoder, Passes]]:
    build(folder)
    made = await audio_native.load(folder, device="cpu", capacity=8 * CHUNK, threads=1, thoughts=QWEN3)
    try:
        yield made, Passes(made)
    finally:
        await made.close()


def conversation(sound: Sequence[Embeddings] = ()) -> list[Unit]:
    return [Open("user"), Text(QUESTION), Close("user"), Open("user"), *(sound or (Text("Well?"),)), Close("user")]


def heard(decoder: TransformersDecoder) -> list[Embeddings]:
    assert decoder.audio_encoder is not None
    stream = decoder.audio_encoder.open()
    stream.push(SOUND)
    return [part for part in stream.finish().units if isinstance(part, Embeddings)]


async def written(context: TransformersContext) -> tuple[str, Finished]:
    parts = [part async for part in context.generate(Sampling(temperature=0, top_p=1, max_tokens=TOKENS))]
    finished = parts.pop()
    assert isinstance(finished, Finished)
    return "".join(part.text for part in parts if isinstance(part, Token | Thought)), finished


async def speech_and_thoughts(decoder: TransformersDecoder, units: Sequence[Unit], passes: Passes) -> None:
    """A context and its fork write at once what each would write by itself, and read the conversation once."""
    alone: list[str] = []
    streams: list[list[Unit]] = [[Open("assistant"), Text("Well, ")], [Open("assistant"), Thought("Hm, ")]]
    for stream in streams:
        context = decoder.open("Be brief.")
        await context.append([*units, *stream])
        alone.append((await written(context))[0])
    passes.tokens.clear()
    passes.rows.clear()
    passes.vectors = 0
    speaking = decoder.open("Be brief.")
    await speaking.append(units)
    thinking = await speaking.fork()
    length = await speaking.length()
    for context, stream in zip((speaking, thinking), streams, strict=True):
        await context.append(stream)
    (said, of_speech), (thought, of_thoughts) = await asyncio.gather(written(speaking), written(thinking))
    assert [said, thought] == alone
    assert said != thought
    assert of_speech.cached_tokens == of_thoughts.cached_tokens == length
    lengths = [finished.prompt_tokens for finished in (of_speech, of_thoughts)]
    assert len(passes.tokens) + passes.vectors == length + sum(own - length for own in lengths)
    assert passes.vectors == sum(len(unit) for unit in units if isinstance(unit, Embeddings))
    assert passes.text.count(QUESTION) == 1
    assert passes.rows.count(2) >= 0.8 * TOKENS


@pytest.mark.parametrize("build", [qwen, gemma])
async def test_a_fork_reads_nothing_that_its_parent_has_read(build: Callable[[], PreTrainedModel]) -> None:
    async with of_words(build) as (decoder, passes):
        await speech_and_thoughts(decoder, conversation(), passes)


@pytest.mark.parametrize("build", HEARING, ids=lambda build: build.__name__)
async def test_nor_does_it_where_there_is_sound(build: Build, tmp_path: Path) -> None:
    async with of_sound(build, tmp_path) as (decoder, passes):
        await speech_and_thoughts(decoder, conversation(heard(decoder)), passes)


@pytest.mark.parametrize("mode", ["before", "think_first", "speak_first"])
async def test_an_answer_of_two_streams_reads_the_conversation_once_and_writes_in_one_batch(mode: Mode) -> None:
    async with of_words() as (decoder, passes), Talk(decoder, mode, TWO, TOKENS).held() as talk:
        for number, question in enumerate((QUESTION, "And what is eight times nine?"), 1):
            await talk.ask(question)
            await talk.until(ResponseDone, number)
            assert passes.text.count(SETTINGS.instructions) == 1
            assert passes.text.count(QUESTION) == 1
            assert passes.text.count(question) == 1
        assert talk.all(Thoughts)
        assert talk.all(OutputText)
        if mode != "before":
            assert 2 in passes.rows


async def test_an_answer_of_two_streams_hears_the_sound_once(tmp_path: Path) -> None:
    async with (
        of_sound(audio_native_models.qwen25_omni, tmp_path) as (decoder, passes),
        Talk(decoder, "think_first", TWO, TOKENS, heard=["Well?"]).held() as talk,
    ):
        turn = Message("spoken", "user", None, spoken=True)
        await talk.agent.do(AddItem(turn, audio=SOUND))
        await talk.agent.do(Respond())
        await talk.until(ResponseDone)
        assert passes.vectors == sum(map(len, turn.audio_units)) > 50
        assert 2 in passes.rows
        await talk.ask(QUESTION)
        await talk.until(ResponseDone, 2)
        assert passes.vectors == sum(map(len, turn.audio_units))


async def test_an_interruption_ends_both_streams_and_closes_the_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    forks: list[TransformersContext] = []
    closed: list[TransformersContext] = []
    fork, close = TransformersContext.fork, TransformersContext.close

    async def forked(context: TransformersContext) -> TransformersContext:
        forks.append(await fork(context))
        return forks[-1]

    async def given_back(context: TransformersContext) -> None:
        closed.append(context)
        await close(context)

    monkeypatch.setattr(TransformersContext, "fork", forked)
    monkeypatch.setattr(TransformersContext, "close", given_back)
    endless = AgentSettings(think_about="everything", streams=2, think_tokens=6, speak_tokens=5, thought_budget=600)
    async with of_words() as (decoder, passes), Talk(decoder, "think_first", endless, tokens=600).held() as talk:
        await talk.ask(QUESTION)
        await talk.until(OutputText)
        await talk.agent.do(Cancel())
        assert (await talk.until(ResponseDone)).status == "cancelled"
        await talk.settled()
        assert len(forks) == 1
        assert closed == forks
        await decoder.run(lambda: None)  # the pass that was under way
        passed = len(passes.rows)
        await talk.settled()
        await decoder.run(lambda: None)
        assert len(passes.rows) == passed
        await talk.ask("And what is eight times nine?")
        await talk.until(Thoughts, len(talk.all(Thoughts)) + 1)
        assert passes.text.count(QUESTION) == 1, "the parent goes on with what it has read"
