"""Step-Audio-R1 through a stand-in for vLLM's API: clips sent as they close, thoughts, failures."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from audio.pcm import Pcm
from pipeline.decoders.chat.chat_completions import ChatContext, ChatDecoder
from pipeline.decoders.decoder import (
    Close,
    DecoderError,
    Finished,
    Mark,
    Open,
    Sampling,
    Text,
    Thought,
    Token,
    Unit,
)
from pipeline.encoders.audio_units import AudioUnit, Clip
from pipeline.encoders.embedding.clips import CLIP_SAMPLES, CUT_SAMPLES, ClipEncoder
from pipeline.encoders.encoder import Encoder, Heard
from tests.support.chat_server import StandInForVllm, Trouble, samples_of, stand_in_for_vllm
from tests.support.small_models import transformers_decoder

RATE = 16_000
SAMPLING = Sampling(temperature=0.7, top_p=1, max_tokens=64)
ANSWER = ("Let me", " think.\n</th", "ink>\n\nIt is", " a bell.")


def decoder(server: StandInForVllm, timeout_s: float = 20) -> ChatDecoder:
    return ChatDecoder(server.url, "", "Step-Audio-R1", capacity=4096, timeout_s=timeout_s)


def clip(seconds: float, closed: bool = False) -> Clip:
    return Clip(np.full(round(seconds * RATE), 0.1, np.float32), closed)


async def asked(context: ChatContext, sound: Sequence[AudioUnit] = ()) -> None:
    await context.append([Open("user"), *(sound or (clip(1),)), Close("user")])


async def answer(context: ChatContext) -> list[object]:
    return [part async for part in context.generate(SAMPLING)]


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not found():
            await asyncio.sleep(0)


def said(parts: Sequence[object]) -> tuple[str, str]:
    """Thoughts and words."""
    thoughts = "".join(part.text for part in parts if isinstance(part, Thought))
    return thoughts, "".join(part.text for part in parts if isinstance(part, Token))


async def test_sound_goes_as_published_and_thoughts_stay_apart() -> None:
    async with stand_in_for_vllm(ANSWER) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await asked(context, [clip(1.5)])
        assert said(await answer(context)) == ("Let me think.", "It is a bell.")
        [request] = server.asked
        system, user = request["messages"]
        assert system == {"role": "system", "content": "Be brief."}
        assert user["role"] == "user"
        assert [samples_of(part) for part in user["content"]] == [24_000]
        assert request["stop_token_ids"] == [151665]
        assert (request["temperature"], request["stream"]) == (0.7, True)
        await decoding.close()


async def test_words_and_sound_keep_their_order() -> None:
    async with stand_in_for_vllm(ANSWER) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await context.append([Open("user"), Text("What "), Text("is this?"), clip(1), Text("Well?"), Close("user")])
        await answer(context)
        parts = server.asked[0]["messages"][1]["content"]
        assert [part.get("text") for part in parts] == ["What is this?", None, "Well?"]
        await decoding.close()


async def test_an_open_thought_is_gone_on_with() -> None:
    async with stand_in_for_vllm(("third.\n</think>\n\n", "Yes.")) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await asked(context)
        await context.append([Open("assistant"), Thought("First, second, ")])
        assert said(await answer(context)) == ("third.", "Yes.")
        [request] = server.asked
        assert request["messages"][-1] == {"role": "assistant", "content": "<think>\nFirst, second, "}
        assert request["continue_final_message"]
        assert not request["add_generation_prompt"]
        await decoding.close()


def speech(*seconds: float) -> Pcm:
    """Noise of so many seconds each, with a pause of half a second after each."""
    random = np.random.default_rng(0)
    pause = np.zeros(RATE // 2, np.float32)
    pieces = [random.standard_normal(round(length * RATE)).astype(np.float32) * 0.1 for length in seconds]
    return np.concatenate([part for piece in pieces for part in (piece, pause)])


async def test_clips_are_read_as_they_close_and_are_the_same_bytes_when_the_turn_ends() -> None:
    """What the server's prefix cache is warm for is what the answer asks with."""
    async with stand_in_for_vllm(ANSWER) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        encoder: Encoder = ClipEncoder()
        stream = encoder.open()
        pcm = speech(22, 24, 9)
        mark = context.mark()
        for at in range(0, len(pcm), RATE):
            heard = stream.push(pcm[at : at + RATE])
            context.rewind(mark)
            await context.append([Open("user"), *heard.committed_units])
            await context.prefill()
            while len(server.asked) < len(heard.committed_units):
                await asyncio.sleep(0)
        context.rewind(mark)
        await asked(context, stream.finish().units)
        await answer(context)
        *early, last = server.asked
        assert all(request["max_tokens"] == 1 and not request["add_generation_prompt"] for request in early)
        contents: list[list[dict[str, Any]]] = [request["messages"][-1]["content"] for request in (*early, last)]
        assert [len(content) for content in contents] == [1, 2, 3]
        assert contents[0] == contents[1][:1]
        assert contents[1] == contents[2][:2]
        assert sum(samples_of(part) for part in contents[2]) == len(pcm)
        await decoding.close()


async def test_what_may_go_on_is_not_read_early() -> None:
    async with stand_in_for_vllm() as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        earlier: list[Unit] = [Open("user"), clip(20, closed=True), Close("user")]
        for units in (earlier, [Open("user")], [clip(3)]):
            await context.append(units)
            await context.prefill()
        assert server.asked == []
        await decoding.close()


async def test_sound_counts_in_the_length() -> None:
    async with stand_in_for_vllm() as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        empty = await context.length()
        await asked(context, [clip(8)])
        assert 100 < await context.length() - empty < 120
        await decoding.close()


@pytest.mark.parametrize("trouble", ["refuses", "breaks off at once", "reports"])
async def test_before_the_first_word_it_asks_once_more(trouble: Trouble) -> None:
    async with stand_in_for_vllm(ANSWER, ANSWER, troubles=[trouble]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await asked(context)
        parts = await answer(context)
        assert said(parts) == ("Let me think.", "It is a bell.")
        assert parts[-1] == Finished("stop", 90, 0, 4)
        assert len(server.asked) == 2
        assert server.asked[0] == server.asked[1]
        await decoding.close()


@pytest.mark.parametrize("trouble", ["refuses", "breaks off at once", "reports"])
async def test_it_asks_no_more_than_twice(trouble: Trouble) -> None:
    async with stand_in_for_vllm(ANSWER, ANSWER, ANSWER, troubles=[trouble] * 3) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await asked(context)
        with pytest.raises(DecoderError, match=f"{server.url}/ gave no answer"):
            await answer(context)
        assert len(server.asked) == 2
        await decoding.close()


async def test_what_is_wrong_with_the_request_is_not_asked_again() -> None:
    async with stand_in_for_vllm(troubles=["wrong"]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await asked(context)
        with pytest.raises(DecoderError, match="the engine is dead"):
            await answer(context)
        assert len(server.asked) == 1
        await decoding.close()


async def test_an_answer_that_breaks_off_is_an_error_and_is_not_begun_again() -> None:
    async with stand_in_for_vllm(("It is", *ANSWER), troubles=["breaks off"]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await asked(context)
        parts = aiter(context.generate(SAMPLING))
        assert await anext(parts) == Thought("It is")
        with pytest.raises(DecoderError, match="gave no answer"):
            await anext(parts)
        assert len(server.asked) == 1
        await decoding.close()


@pytest.mark.parametrize("trouble", ["silent", "wordless"])
async def test_a_server_that_says_nothing_is_not_waited_for_twice(trouble: Trouble) -> None:
    async with stand_in_for_vllm(ANSWER, troubles=[trouble] * 2) as server:
        decoding = decoder(server, timeout_s=0.2)
        context = decoding.open("Be brief.")
        await asked(context)
        with pytest.raises(DecoderError, match="timed out"):
            await answer(context)
        assert len(server.asked) <= 1, "none if it had no time to read"
        await server.hung_up()
        await decoding.close()


async def test_a_server_that_says_nothing_more_is_given_up() -> None:
    async with stand_in_for_vllm(ANSWER, troubles=["hangs"]) as server:
        decoding = decoder(server, timeout_s=0.2)
        context = decoding.open("Be brief.")
        await asked(context)
        with pytest.raises(DecoderError, match="gave no answer"):
            await answer(context)
        await server.hung_up()
        await decoding.close()


async def test_of_a_slow_server_each_piece_is_given_when_it_comes() -> None:
    async with stand_in_for_vllm(ANSWER, troubles=["slow"]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await asked(context)
        parts = aiter(context.generate(SAMPLING))
        server.go_on.release()
        first = await anext(parts)
        assert first == Thought("Let me")
        for _ in ANSWER[1:]:
            server.go_on.release()
        assert said([first] + [part async for part in parts]) == ("Let me think.", "It is a bell.")
        await decoding.close()


async def test_closing_the_answer_hangs_up() -> None:
    async with stand_in_for_vllm(ANSWER, troubles=["hangs"]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await asked(context)
        parts = context.generate(SAMPLING)
        assert await anext(aiter(parts)) == Thought("Let me")
        await parts.aclose()  # type: ignore[attr-defined]
        await server.gone.wait()
        await decoding.close()


async def reads_ahead(server: StandInForVllm, context: ChatContext, *clips: Clip) -> None:
    """The turn so far is `clips`, and the server is asked to read them once more than before."""
    context.rewind(Mark(0))
    await context.append([Open("user"), *clips])
    before = len(server.prefills)
    await context.prefill()
    await until(lambda: len(server.prefills) > before)


async def test_an_answer_does_not_wait_for_what_is_read_ahead() -> None:
    async with stand_in_for_vllm(ANSWER, troubles=["hangs"]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await reads_ahead(server, context, clip(20, closed=True))
        await context.append([clip(1), Close("user")])
        assert said(await answer(context)) == ("Let me think.", "It is a bell.")
        await server.gone.wait()
        await decoding.close()


async def test_closing_the_context_stops_what_is_read_ahead() -> None:
    async with stand_in_for_vllm(troubles=["hangs"]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        await reads_ahead(server, context, clip(20, closed=True))
        await context.close()
        await server.gone.wait()
        await decoding.close()


async def test_while_a_clip_is_read_it_is_not_sent_again_and_the_next_one_takes_its_place() -> None:
    async with stand_in_for_vllm(troubles=["hangs", "hangs"]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        first, second = clip(20, closed=True), clip(21, closed=True)
        await reads_ahead(server, context, first)
        for _ in range(3):
            await context.prefill()
        assert not server.gone.is_set()
        await reads_ahead(server, context, first, second)
        await server.gone.wait()
        assert [len(request["messages"][-1]["content"]) for request in server.prefills] == [1, 2]
        await context.close()
        await decoding.close()


async def test_what_an_answer_kept_from_being_read_is_sent_again_if_the_person_goes_on() -> None:
    async with stand_in_for_vllm(ANSWER, troubles=["hangs"]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        long = clip(20, closed=True)
        await reads_ahead(server, context, long)
        await answer(context)
        await reads_ahead(server, context, long)
        await context.close()
        await decoding.close()


async def test_a_server_that_can_not_read_ahead_is_written_down_and_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with stand_in_for_vllm(troubles=["refuses", "wrong"]) as server:
        decoding = decoder(server)
        context = decoding.open("Be brief.")
        long = clip(20, closed=True)
        for count in (1, 2):
            await reads_ahead(server, context, long)
            await until(lambda count=count: len(caplog.records) == count)  # type: ignore[misc]
            assert "could not read ahead" in caplog.text
            assert "the engine is dead" in caplog.text
        await context.prefill()
        assert len(server.prefills) == 2, "what is wrong with the request is so the next time"
        await context.close()
        await decoding.close()


def test_clips_are_cut_in_silence_within_their_last_5_seconds() -> None:
    stream = ClipEncoder().open()
    pcm = speech(22, 23, 4)
    for at in range(0, len(pcm), 1000):
        stream.push(pcm[at : at + 1000])
    heard = stream.finish()
    clips = [part.pcm for part in heard.units if isinstance(part, Clip)]
    assert ClipEncoder().exact == np.array_equal(np.concatenate(clips), pcm)
    lengths = [len(clip) for clip in clips]
    cuts = np.cumsum(lengths[:-1]) / RATE
    assert cuts == pytest.approx([22.25, 45.75], abs=0.25)
    assert all(CLIP_SAMPLES - CUT_SAMPLES <= length <= CLIP_SAMPLES for length in lengths[:-1])
    assert [part.closed for part in heard.units if isinstance(part, Clip)] == [True, True, False]


def test_a_clip_stays_the_same_until_more_is_heard() -> None:
    stream = ClipEncoder().open()
    assert stream.push(speech(1)) == Heard()
    heard = stream.finish()
    assert len(heard.tentative_units) == 1
    stream.push(np.empty(0, np.float32))
    assert stream.finish() == heard
    stream.push(speech(0.1))
    assert stream.finish() != heard
    assert ClipEncoder().open().finish().units == ()


async def test_a_decoder_in_this_process_refuses_clips() -> None:
    async with transformers_decoder() as decoding:
        context = decoding.open("Be brief.")
        await context.append([Open("user"), clip(1), Close("user")])
        with pytest.raises(DecoderError, match="can't read sound as it is"):
            await context.length()
