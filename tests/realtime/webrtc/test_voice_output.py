import asyncio
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.pcm import Pcm
from audio.playback import Block
from pipeline.events import OutputAudio
from pipeline.runtime.timeline import Timeline
from realtime.webrtc.voice_output import BUFFERED_S, VoiceOutput

RATE = 24_000
BLOCK = RATE // 50


def sound(pcm: Pcm, response: int = 1) -> OutputAudio:
    return OutputAudio(f"resp_{response}", 0, f"item_{response}", pcm, Timeline())


def ones(samples: int) -> Pcm:
    return np.ones(samples, np.float32)


def blocks(output: VoiceOutput, count: int) -> list[Block]:
    return [output.next_block() for _ in range(count)]


def joined(sent: list[Block]) -> Pcm:
    return np.concatenate([block.pcm for block in sent])


def test_silence_where_there_is_nothing_to_say() -> None:
    block = VoiceOutput(RATE).next_block()
    assert (len(block.pcm), block.rate, block.began, block.ended) == (BLOCK, RATE, (), ())
    assert not block.pcm.any()


def test_answers_follow_one_another_within_a_block_and_tell_what_was_played() -> None:
    output = VoiceOutput(RATE)
    output.add(sound(ones(BLOCK + 100)))
    output.complete("resp_1")
    output.add(sound(2 * ones(BLOCK), response=2))
    first, second, third = blocks(output, 3)
    assert (first.began, first.ended) == (("resp_1",), ())
    assert (second.began, second.ended) == (("resp_2",), ("resp_1",))
    assert list(joined([second, third])) == [1.0] * 100 + [2.0] * BLOCK + [0.0] * (BLOCK - 100)
    assert (output.played("resp_1"), output.played("resp_2")) == (BLOCK + 100, BLOCK)
    assert third.ended == ()
    output.complete("resp_2")
    assert output.next_block().ended == ("resp_2",)
    assert output.played("resp_2") == BLOCK


def test_the_first_packet_is_stamped_when_it_leaves() -> None:
    output = VoiceOutput(RATE)
    event = sound(ones(10))
    output.add(event)
    assert output.is_unheard("resp_1")
    assert event.timeline.first_packet is None
    output.next_block()
    assert event.timeline.first_packet is not None
    assert not output.is_unheard("resp_1")


def test_loudness_changes_without_a_jump() -> None:
    output = VoiceOutput(RATE)
    output.add(sound(ones(20 * BLOCK)))
    output.next_block()
    output.change_volume("ducked")
    ducked = blocks(output, 2)
    output.change_volume("full")
    full = blocks(output, 2)
    pcm = joined([*ducked, *full])
    assert np.abs(np.diff(pcm, prepend=np.float32(1))).max() < 0.005
    assert pcm[2 * BLOCK - 1] == pytest.approx(0.2)
    assert pcm[-1] == 1
    assert output.played("resp_1") == 5 * BLOCK


def test_a_pause_fades_at_once_and_loses_nothing() -> None:
    output = VoiceOutput(RATE)
    ramp = np.linspace(0.5, 1, 10 * BLOCK, dtype=np.float32)
    output.add(sound(ramp))
    output.next_block()
    output.change_volume("paused")
    fading, *still = blocks(output, 3)
    assert fading.pcm[0] == pytest.approx(ramp[BLOCK])
    assert not fading.pcm[-BLOCK // 5 :].any()
    assert not joined(still).any()
    assert output.played("resp_1") == BLOCK
    output.change_volume("full")
    again, after = blocks(output, 2)
    assert again.pcm[0] < 0.01
    assert again.pcm[-1] == ramp[2 * BLOCK - 1]
    assert list(after.pcm) == list(ramp[2 * BLOCK : 3 * BLOCK])


def test_what_is_cut_off_fades_within_5_ms_and_never_comes_back() -> None:
    output = VoiceOutput(RATE)
    output.add(sound(ones(10 * BLOCK)))
    output.next_block()
    assert output.response_of("item_1") == "resp_1"
    assert output.cut("resp_1")
    output.add(sound(ones(10 * BLOCK)))
    faded, after = blocks(output, 2)
    assert faded.pcm[0] == 1
    assert np.count_nonzero(faded.pcm) < 0.005 * RATE
    assert not after.pcm.any()
    assert output.played("resp_1") == BLOCK
    assert output.response_of("item_1") is None
    assert not output.cut("resp_1")


def test_an_answer_that_had_not_begun_is_cut_without_a_sound() -> None:
    output = VoiceOutput(RATE)
    output.add(sound(ones(10 * BLOCK)))
    output.add(sound(2 * ones(BLOCK), response=2))
    output.next_block()
    assert not output.cut("resp_2")
    assert list(output.next_block().pcm) == [1] * BLOCK
    assert output.ids() == ["resp_1"]


def test_an_answer_keeps_its_own_rate() -> None:
    output = VoiceOutput(RATE)
    output.add(sound(ones(BLOCK + 10)))
    output.complete("resp_1")
    output.change_rate(8_000)
    output.add(sound(ones(160), response=2))
    sent = blocks(output, 3)
    assert [(block.rate, int(block.pcm.sum())) for block in sent] == [(RATE, BLOCK), (RATE, 10), (8_000, 160)]


async def test_more_is_waited_for_when_enough_is_there() -> None:
    output = VoiceOutput(RATE)
    output.add(sound(ones(round(BUFFERED_S * RATE) + BLOCK)))
    waiting = asyncio.create_task(output.ready())
    blocks(output, 1)
    await asyncio.sleep(0)
    assert not waiting.done()
    blocks(output, 1)
    await waiting


Step = Literal["block", "full", "ducked", "paused"] | int


@given(st.lists(st.one_of(st.sampled_from(["block", "full", "ducked", "paused"]), st.integers(1, 1500))))
def test_every_sample_is_played_once_in_order_whatever_happens(steps: list[Step]) -> None:
    output = VoiceOutput(RATE)
    added = 0
    heard: list[float] = []
    for step in steps:
        if isinstance(step, int):
            output.add(sound(np.arange(added + 1, added + step + 1, dtype=np.float32)))
            added += step
        elif step == "block":
            before = output.played("resp_1")
            pcm = output.next_block().pcm
            count = output.played("resp_1") - before
            assert before + count <= added
            # Where it is at its full loudness, it is the very sample that is next.
            expected = np.arange(before + 1, before + count + 1)
            assert (pcm[:count] <= expected + 0.5).all()
            heard += list(expected)
        else:
            output.change_volume(step)
    output.change_volume("full")
    output.complete("resp_1")
    while added and "resp_1" not in (block := output.next_block()).ended:
        assert len(block.pcm) == BLOCK
    assert output.played("resp_1") == added
    assert heard == list(range(1, len(heard) + 1))
