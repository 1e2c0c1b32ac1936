"""Playing answers at this machine, sample by sample."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.pcm import Pcm, silence
from audio.volume import Loudness
from realtime.protocol.audio_format import WIRE_RATE
from realtime.terminal.speaker import SpeakerOutput

BLOCK = 480


def count(samples: int, first: int = 1) -> Pcm:
    """Samples that differ from each other and from silence."""
    return np.arange(first, first + samples, dtype=np.float32) / np.float32(WIRE_RATE)


def play(speaker: SpeakerOutput, blocks: int) -> Pcm:
    return np.concatenate([speaker.take(BLOCK, at=block * 0.02) for block in range(blocks)])


def test_answers_are_played_one_after_another() -> None:
    speaker = SpeakerOutput()
    speaker.add("a", count(700))
    speaker.add("a", count(100, first=701))
    speaker.complete("a")
    speaker.add("b", count(200, first=801))
    speaker.complete("b")
    heard = play(speaker, 3)
    assert np.array_equal(heard[:1000], count(1000))
    assert not heard[1000:].any()
    first, second = speaker.progress()
    assert (first.item_id, first.played, first.began, first.finished) == ("a", 800, 0.0, True)
    assert (second.item_id, second.played, second.finished) == ("b", 200, True)
    assert second.began == pytest.approx(0.02 + 320 / WIRE_RATE)
    assert speaker.progress() == []


def test_an_answer_that_ran_dry_waits_until_there_is_enough_of_it() -> None:
    speaker = SpeakerOutput()
    speaker.add("a", count(BLOCK))
    play(speaker, 2)
    speaker.add("a", count(BLOCK))
    assert not play(speaker, 1).any()
    speaker.add("a", count(5 * BLOCK))
    assert play(speaker, 1).all()
    play(speaker, 6)
    speaker.add("a", count(10))
    speaker.complete("a")
    assert np.count_nonzero(play(speaker, 1)) == 10


def test_stopping_says_what_was_played_of_each_answer() -> None:
    speaker = SpeakerOutput()
    speaker.add("over", count(BLOCK))
    speaker.complete("over")
    speaker.add("cut", count(10 * BLOCK))
    speaker.add("unheard", count(BLOCK))
    play(speaker, 3)
    cut, unheard = speaker.stop()
    assert cut.item_id == "cut"
    assert 2 * BLOCK < cut.played < 3 * BLOCK
    assert (unheard.item_id, unheard.played, unheard.began) == ("unheard", 0, None)
    # It ends in a fade, and that much counts as played.
    fade = play(speaker, 1)
    assert np.count_nonzero(fade) == cut.played - 2 * BLOCK - 1
    assert not play(speaker, 1).any()
    assert [progress.item_id for progress in speaker.progress()] == ["over"]
    assert speaker.stop() == []


def test_ducked_is_quieter_by_14_db_and_no_change_of_loudness_clicks() -> None:
    speaker = SpeakerOutput()
    speaker.add("a", np.ones(20 * BLOCK, np.float32))
    levels = []
    states: list[Loudness] = ["full", "ducked", "paused", "full"]
    for state in states:
        speaker.change_volume(state)
        levels.append(play(speaker, 2))
    assert [round(float(level[-1]), 3) for level in levels] == [1, 0.2, 0, 1]
    assert np.abs(np.diff(np.concatenate(levels))).max() < 0.01


@given(
    sizes=st.lists(st.integers(1, 2000), min_size=1, max_size=6),
    states=st.lists(st.sampled_from(["full", "ducked", "paused"]), max_size=30),
)
def test_no_sample_is_lost_or_heard_twice(sizes: list[int], states: list[Loudness]) -> None:
    speaker = SpeakerOutput()
    sent = 0
    for size in sizes:
        speaker.add("a", silence(size) + 1)
        sent += size
    speaker.complete("a")
    heard = 0
    for state in states:
        speaker.change_volume(state)
        heard += int(np.count_nonzero(speaker.take(BLOCK)))
    speaker.change_volume("full")
    heard += int(np.count_nonzero(play(speaker, sent // BLOCK + 2)))
    assert heard == sent
    assert [progress.played for progress in speaker.progress()] == [sent]
