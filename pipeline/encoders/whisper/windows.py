"""Finds where to close a window of speech that has become too long to be encoded again at each pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.encoders.logmel import LogMels

EARLIEST_FRAME = 100
"""Earliest cut, in frames: a window shorter than a second is not worth closing."""
KEPT_FRAMES = 100
"""Frames at the end that stay open: the words of the last second may still change."""
SMOOTHED_FRAMES = 5
LATE_FRAMES = 10
"""Frames by which a word may begin later than its attention indicates."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a window is closed: after the words before `word` and the frames before `frame`."""

    word: int
    frame: int


def cut_at_sentence(log_mels: LogMels, starts: Sequence[int], sentence_ends: Sequence[int]) -> Cut | None:
    """Cut after the last complete sentence; None if there is none.

    `log_mels`: shape (n_mels, frames). `starts`: first frame of each word. `sentence_ends`: indices of the words that
    follow a sentence.
    """
    latest = log_mels.shape[1] - KEPT_FRAMES
    inside = [word for word in sentence_ends if EARLIEST_FRAME <= starts[word] < latest]
    return Cut(inside[-1], quietest_frame(log_mels, starts, inside[-1])) if inside else None


def cut_anywhere(log_mels: LogMels, starts: Sequence[int], committed: int) -> Cut:
    """Cut where it is quietest between two words of the window's second half, committed ones if there are any.

    Without words there the cut falls a second before the end.
    """
    frames = log_mels.shape[1]
    inside = [word for word in range(1, len(starts)) if frames // 2 <= starts[word] < frames - KEPT_FRAMES]
    candidates = [word for word in inside if word <= committed] or inside
    if not candidates:
        frame = frames - KEPT_FRAMES
        return Cut(sum(start < frame for start in starts), frame)
    loudness = smoothed_loudness(log_mels)
    cuts = [Cut(word, quietest_frame(log_mels, starts, word)) for word in candidates]
    return min(cuts, key=lambda cut: loudness[cut.frame])


def quietest_frame(log_mels: LogMels, starts: Sequence[int], word: int) -> int:
    """The quietest frame between the middle of the preceding word and just inside `word`."""
    first = (starts[word - 1] + starts[word]) // 2
    return first + int(smoothed_loudness(log_mels)[first : starts[word] + LATE_FRAMES].argmin())


def smoothed_loudness(log_mels: LogMels) -> LogMels:
    return np.convolve(log_mels.mean(axis=0), np.ones(SMOOTHED_FRAMES, np.float32) / SMOOTHED_FRAMES, "same")
