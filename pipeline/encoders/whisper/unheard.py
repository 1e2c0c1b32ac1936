"""Finds speech that a transcript leaves out: the decoder may end it with a sentence, deaf to the next one."""

import numpy as np

from pipeline.encoders.logmel import LogMels
from pipeline.encoders.whisper.windows import smoothed_loudness

GAP_FRAMES = 15
"""Quiet frames after which what follows is no part of the same word. The stops in "sixty-six" are shorter."""
LEAST_FRAMES = 25
"""Loud frames that may hold a word."""
LATE_FRAMES = 50
"""Loud frames that may have passed since the last words at the end of a turn: most are written at the next pass."""
DEAF_FRAMES = 100
"""The same while the person speaks, when a later pass may hear what this one does not. At half of it, "tea" became "T"
in a window that was closed too early."""
_QUIET_SHARE = 0.35
"""Of the way from the window's quietest frames to its loudest one, up to which a frame is quiet."""
_QUIET_BELOW = 2.0
"""log10 units below the loudest frame from which a frame is quiet: a room's noise after digital silence is, too."""


def may_go_unheard(log_mels: LogMels, since: int, last: bool) -> bool:
    """Whether there was so much speech since frame `since` that new words should have been recognized.

    `log_mels`: shape (n_mels, frames), of a window with speech in it. `last`: whether the turn is over.
    """
    return int(_loud(log_mels)[since:].sum()) > (LATE_FRAMES if last else DEAF_FRAMES)


def unheard_from(log_mels: LogMels, last_word: int) -> int | None:
    """The frame amid the first gap after the word that begins at frame `last_word`; None if no speech follows it."""
    loud = _loud(log_mels)
    ends = last_word
    for frame in range(last_word, len(loud)):
        if not loud[frame]:
            continue
        if frame - ends >= GAP_FRAMES:
            return (ends + frame) // 2 if loud[frame:].sum() >= LEAST_FRAMES else None
        ends = frame + 1
    return None


def _loud(log_mels: LogMels) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which frames are as loud as speech."""
    loudness = smoothed_loudness(log_mels)
    floor, loudest = np.percentile(loudness, 5), loudness.max()
    quiet = max(floor + _QUIET_SHARE * (loudest - floor), loudest - _QUIET_BELOW)
    loud: np.ndarray[tuple[int], np.dtype[np.bool_]] = loudness > quiet
    return loud
