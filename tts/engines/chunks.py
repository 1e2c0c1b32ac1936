"""Shared by engines: decoding windows of growing size, chunks of speech with their words, silence and word times."""

from collections.abc import Iterator, Sequence
from itertools import chain, count, pairwise

import numpy as np

from audio.pcm import Pcm
from tts.synthesizer import Clause, Speech, Word, WordTime

PAUSE_S = {",": 0.12, ";": 0.2, ":": 0.2, ".": 0.3, "?": 0.3, "!": 0.3}
"""Seconds of silence after a clause, by the mark that closes it."""
WINDOWS = (8, 16, 32, 64)
"""Frames decoded at a time; the last size repeats. Small windows start early, large ones waste less on overlap."""
CHUNK_S = 0.2
"""Longest chunk of `Speech`, in seconds."""
QUIET = 0.003
"""Amplitude (-50 dBFS) at or below which audio around speech counts as silence."""
BEFORE_S = 0.02
"""Seconds of silence kept before speech, because the onset of a first consonant is soft."""


def windows(start: int, end: int, sizes: Sequence[int] = WINDOWS) -> Iterator[tuple[int, int]]:
    """Cut the frames from `start` to `end` into windows of the given `sizes`, the last of which repeats."""
    for i in count():
        if start >= end:
            return
        size = sizes[min(i, len(sizes) - 1)]
        yield start, min(start + size, end)
        start += size


def chunks(parts: Iterator[Pcm], silence: int, times: Sequence[WordTime], size: int) -> Iterator[Speech]:
    """Cut `parts`, followed by `silence` samples of silence, into chunks of at most `size` samples.

    Each chunk carries the words of `times` that begin in it. Words that begin after the end come in an empty chunk.
    """
    position = 0
    waiting = list(reversed(times))
    for pcm in chain(parts, [np.zeros(silence, dtype=np.float32)]):
        for i in range(0, pcm.size, size):
            chunk = pcm[i : i + size]
            position += chunk.size
            begun: list[WordTime] = []
            while waiting and waiting[-1].start < position:
                begun.append(waiting.pop())
            yield Speech(chunk, tuple(begun))
    if waiting:
        yield Speech(np.zeros(0, dtype=np.float32), tuple(reversed(waiting)))


def amplified(pcm: Pcm, gain: float) -> Pcm:
    """`pcm` multiplied by `gain` and clipped to [-1, 1]."""
    louder: Pcm = np.clip(pcm * np.float32(gain), -1, 1)
    return louder


def trimmed(parts: Iterator[Pcm], rate: int) -> Iterator[Pcm]:
    """`parts` (audio at `rate`) without leading silence, of which `BEFORE_S` is kept."""
    kept = round(BEFORE_S * rate)
    silence = np.zeros(0, dtype=np.float32)
    for pcm in parts:
        silence = np.concatenate([silence, pcm])
        loud = np.flatnonzero(np.abs(silence) > QUIET)
        if loud.size:
            yield silence[max(0, int(loud[0]) - kept) :]
            break
        silence = silence[-kept:]
    yield from parts


def ended(parts: Iterator[Pcm], pause: int, least: int) -> Iterator[Pcm]:
    """`parts` with exactly `pause` samples of silence after the last sound, padded to at least `least` samples."""
    made = 0
    held = np.zeros(0, dtype=np.float32)
    for part in parts:
        pcm = np.concatenate([held, part])
        loud = np.flatnonzero(np.abs(pcm) > QUIET)
        end = int(loud[-1]) + 1 if loud.size else 0
        made += end
        held = pcm[end:]
        yield pcm[:end]
    length = max(made + pause, least) - made
    yield np.pad(held[:length], (0, max(0, length - held.size)))


class WordTimeEstimator:
    """Estimates word times for an engine that reports none, from word lengths and the pace of earlier clauses.

    Estimates are off by some tenths of a second, and by more towards the end of a long clause.
    """

    def __init__(self, rate: int) -> None:
        self._samples_per_letter = rate / 14

    def speech(self, parts: Iterator[Pcm], clause: Clause, size: int) -> Iterator[Speech]:
        """The audio `parts` of `clause` in chunks of at most `size` samples, each with the words likely to begin in it.

        `parts` is not consumed if the clause has nothing to say.
        """
        if not any(word.spoken for word in clause.words):
            parts = iter(())
        samples = 0
        for speech in chunks(parts, 0, self._times(clause), size):
            samples += speech.pcm.size
            if speech.pcm.size:
                yield speech
            else:
                # The audio ended sooner than estimated.
                words = (WordTime(word.index, min(word.start, samples), samples) for word in speech.words)
                yield Speech(speech.pcm, tuple(words))
        if letters := sum(map(_letters, clause.words)):
            self._samples_per_letter = 0.5 * (self._samples_per_letter + samples / letters)

    def _times(self, clause: Clause) -> list[WordTime]:
        ends = np.cumsum([0.0, *map(_letters, clause.words)]) * self._samples_per_letter
        return [WordTime(i, round(start), round(end)) for i, (start, end) in enumerate(pairwise(ends))]


def _letters(word: Word) -> int:
    """Length of a word in letters, including the gap after it; 0 if it has no spoken form."""
    return len(word.spoken) + 1 if word.spoken else 0
