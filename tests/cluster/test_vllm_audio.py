"""The chat decoder with a real vLLM and a model that hears: Qwen2-Audio as published, but small and random."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

from audio.pcm import INPUT_RATE, Pcm
from pipeline.answering.loops import LOOPING_WORDS
from pipeline.decoders.chat.chat_completions import ChatDecoder
from pipeline.decoders.chat.chat_messages import chat_messages
from pipeline.decoders.decoder import Close, Finished, Open, Sampling, Text, Unit
from pipeline.decoders.thought_formats import QWEN3
from pipeline.decoders.torch_models import audio_native
from pipeline.encoders.audio_units import Clip
from pipeline.encoders.embedding.clips import ClipEncoder
from pipeline.encoders.encoder import Encoder
from pipeline.settings import DecoderSettings, StopgapSettings
from realtime.settings import Settings
from tests.cluster import vllm as servers
from tests.cluster.vllm import BLOCK, CONTEXT, HEARS, MODEL, PATIENCE_S, Vllm, become
from tests.support.audio_native_models import qwen2_audio
from tests.support.serving import call, served
from tests.support.speech import recordings, word_errors

WORDS = (" river", " seven", " apple", " green", " window", " paper", " morning", " music", " open", " table")
"""The model says these and nothing else."""
WIDTH = 128
"""vLLM's attention on a CPU takes no narrower heads than of 32."""
TOKENS_A_SECOND = 25
LIKELY = (" open", " paper", " morning")
"""The words that it says most."""
TURNS = ("turn_02", "turn_05", "turn_06")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    qwen2_audio(made, WORDS, WIDTH)
    return made


@pytest.fixture(scope="module")
def vllm(folder: Path) -> Iterator[Vllm]:
    with servers.running(folder, HEARS) as server:
        yield server


@asynccontextmanager
async def hearing(vllm: Vllm) -> AsyncIterator[ChatDecoder]:
    decoder = ChatDecoder(vllm.url, "", MODEL, capacity=CONTEXT, timeout_s=PATIENCE_S, audio_encoder=ClipEncoder())
    yield decoder
    await decoder.close()


async def test_sound_is_read_as_the_same_model_in_this_process_reads_it(vllm: Vllm, folder: Path) -> None:
    own = await audio_native.load(folder, device="cpu", capacity=CONTEXT, threads=1)
    logits: list[torch.Tensor] = []
    own.model.register_forward_hook(lambda model, given, output: logits.append(output.logits[0, -1]))
    assert own.audio_encoder is not None
    tokens = {word: own.tokenizer.convert_tokens_to_ids(word) for word in LIKELY}
    read = []
    for name in TURNS:
        pcm = recordings()[name].pcm(INPUT_RATE)
        # Without words after it, vLLM leaves out the line break that follows a sound in the model's template.
        context = own.open("Be brief.")
        await context.append(question(own.audio_encoder, pcm))
        async for _ in context.generate(Sampling(0, 1, 1)):
            pass
        here = torch.log_softmax(logits[-1], -1)
        there = await next_words(vllm, question(ClipEncoder(), pcm))
        read.append([there[word] for word in LIKELY])
        assert read[-1] == pytest.approx([here[tokens[word]].item() for word in LIKELY], abs=0.01)
        await context.close()
    await own.close()
    one, other, third = read
    assert one != pytest.approx(other, abs=0.05)
    assert other != pytest.approx(third, abs=0.05)


def question(encoder: Encoder, pcm: Pcm) -> list[Unit]:
    stream = encoder.open()
    stream.push(pcm)
    return [Open("user"), *stream.finish().units, Text("Well?"), Close("user")]


async def next_words(vllm: Vllm, units: Sequence[Unit]) -> dict[str, float]:
    """Logarithms of the probabilities of the likeliest next tokens."""
    messages = cast("list[ChatCompletionMessageParam]", chat_messages("Be brief.", units, QWEN3))
    async with AsyncOpenAI(base_url=vllm.url, api_key="none") as client:
        answer = await client.chat.completions.create(
            model=MODEL, messages=messages, max_tokens=1, temperature=0, logprobs=True, top_logprobs=20
        )
    assert answer.choices[0].logprobs is not None
    [first] = answer.choices[0].logprobs.content or []
    return {likely.token: likely.logprob for likely in first.top_logprobs}


async def test_a_clip_that_closed_is_read_while_the_user_still_speaks(vllm: Vllm) -> None:
    """With a whole second clip, as in a long turn: it is read by the answer, and the first one is found again."""
    pcm = np.concatenate([recordings()[name].pcm(INPUT_RATE) for name in TURNS] * 4)
    async with hearing(vllm) as decoder:
        assert decoder.audio_encoder is not None
        stream = decoder.audio_encoder.open()
        closed = [clip for clip in stream.push(pcm).committed_units if isinstance(clip, Clip)]
        assert closed
        context = decoder.open("Be brief.")
        mark = context.mark()
        await context.append([Open("user"), *closed])
        read = vllm.metric("request_success_total")
        await context.prefill()
        await become(vllm, "request_success_total", read + 1)
        context.rewind(mark)
        await context.append([Open("user"), *stream.finish().units, Close("user")])
        [*_, end] = [part async for part in context.generate(Sampling(0, 1, 1))]
        await context.close()
    assert isinstance(end, Finished)
    sound = sum(len(clip.pcm) for clip in closed) / INPUT_RATE
    assert end.cached_tokens >= sound * TOKENS_A_SECOND - BLOCK
    assert end.prompt_tokens >= len(pcm) / INPUT_RATE * TOKENS_A_SECOND


async def test_a_spoken_turn_is_heard_answered_and_captioned(vllm: Vllm) -> None:
    # A word a token: a random mind goes round in circles, and with one more the answer would be cut as a loop.
    model = DecoderSettings(
        backend="openai",
        url=vllm.url,
        model=MODEL,
        hears=True,
        context_tokens=CONTEXT,
        temperature=0,
        max_tokens=LOOPING_WORDS - 1,
        timeout_s=PATIENCE_S,
    )
    patient = StopgapSettings(model_s=0, thought_s=0)
    async with served(Settings(decoder=model, stopgaps=patient)) as (_, client), call(client) as caller:
        recording = recordings()["turn_02"]
        await caller.say(recording.pcm(24_000))
        done = await caller.answered()
        assert np.abs(caller.audio(done.response.id)).max() > 0.1
        said = done.response.output[0].content[0].transcript
        assert set(said.split()) <= {word.strip() for word in WORDS}
        (captions,) = [event for event in caller.events if event.type.endswith("transcription.completed")]
        assert word_errors(recording.text, captions.transcript) <= 0.25
        assert done.response.usage.input_tokens >= TOKENS_A_SECOND * recording.speech_end_s
