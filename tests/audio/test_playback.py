"""After a pause an answer plays on from the beginning of the word that it broke off, and no sample is lost."""

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from audio.pcm import Pcm
from audio.playback import PlaybackQueue
from audio.word_start import LONGEST_S, word_start

RATE = 8_000
BLOCK = RATE // 50
RAMP = round(0.015 * RATE)


def numbered(samples: int, first: int = 1) -> Pcm:
    return np.arange(first, first + samples, dtype=np.float32)


def paused_at(samples: int, *, replays_fades: bool = True) -> PlaybackQueue:
    """A queue that has played so much of an answer, and has fallen silent."""
    queue = PlaybackQueue(RATE, replays_fades=replays_fades)
    queue.add("a", numbered(4 * RATE))
    queue.take(samples)
    queue.change_volume("paused")
    queue.take(BLOCK)
    return queue


def resumed(queue: PlaybackQueue, words: list[tuple[int, int]], answer_id: str = "a") -> int:
    """The sample that follows the ramp at which it plays on, less the ramp."""
    queue.rewind(answer_id, words)
    queue.change_volume("full")
    return round(float(queue.take(BLOCK).pcm[-1])) - BLOCK


def test_the_word_that_a_pause_broke_off_is_said_again() -> None:
    assert resumed(paused_at(1_000), [(0, 700), (800, 1_200)]) == 800
    assert resumed(paused_at(1_000 - RAMP, replays_fades=False), [(0, 700), (800, 1_200)]) == 800


def test_between_two_words_it_plays_on() -> None:
    assert resumed(paused_at(1_000), [(0, 700), (1_000, 1_200)]) == 1_000
    assert resumed(paused_at(1_000), []) == 1_000


def test_a_long_word_is_continued() -> None:
    assert resumed(paused_at(2 * RATE), [(RATE - 1, 3 * RATE)]) == 2 * RATE
    assert resumed(paused_at(2 * RATE), [(RATE, 3 * RATE)]) == RATE


def test_another_answer_is_left_alone() -> None:
    queue = paused_at(1_000)
    queue.add("b", numbered(100))
    assert resumed(queue, [(800, 1_200)], "b") == 1_000


def test_a_voice_that_has_not_fallen_silent_plays_on() -> None:
    queue = PlaybackQueue(RATE, replays_fades=True)
    queue.add("a", numbered(RATE))
    queue.take(1_000)
    queue.change_volume("paused")
    queue.rewind("a", [(800, 1_200)])
    assert queue.played("a") == 1_000


def test_an_answer_begins_once() -> None:
    queue = paused_at(1_000)
    queue.rewind("a", [(0, 1_200)])
    assert (queue.played("a"), queue.has_begun("a")) == (0, True)
    queue.change_volume("full")
    assert not queue.take(BLOCK).starts


@given(
    lengths=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 2_000)), min_size=1, max_size=20),
    steps=st.lists(st.one_of(st.sampled_from(["take", "take", "pause", "resume"]), st.integers(1, 3_000)), max_size=80),
    replays_fades=st.booleans(),
)
def test_every_sample_is_played_and_what_is_said_again_begins_with_its_word(
    lengths: list[tuple[int, int]], steps: list[str | int], replays_fades: bool
) -> None:
    ends = list(accumulate(gap + length for gap, length in lengths))
    words = [(end - length, end) for end, (_, length) in zip(ends, lengths, strict=True)]
    queue = PlaybackQueue(RATE, replays_fades=replays_fades)
    added = position = furthest = 0
    is_paused = is_silent = False
    for step in (*steps, "resume", 3_000, *["take"] * 400):
        before = queue.played("a")
        if isinstance(step, int):
            queue.add("a", numbered(step, added + 1))
            added += step
        elif step == "take":
            pcm = queue.take(BLOCK).pcm
            count = queue.played("a") - before
            assert (pcm[:count] <= numbered(count, before + 1) + 0.5).all()
            is_silent = is_paused or not pcm[-1]  # there may be no more audio yet
        elif step == "pause":
            queue.change_volume("paused")
            is_paused = True
        else:
            queue.rewind("a", words)
            queue.change_volume("full")
            expected = word_start(words, before, RATE) if is_paused and is_silent else before
            assert before - LONGEST_S * RATE <= expected == queue.played("a")
            is_paused = False
        position = queue.played("a")
        furthest = max(furthest, position)
    assert position == furthest == added
