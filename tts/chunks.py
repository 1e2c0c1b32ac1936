"""What voices that decode frames share: windows of growing size, and chunks that carry the words they begin."""

from collections.abc import Iterator, Sequence
from itertools import chain, count, pairwise

import numpy as np

from tts.synthesizer import Clause, Pcm, Speech, Word, WordTime

PAUSE_S = {",": 0.12, ";": 0.2, ":": 0.2, ".": 0.3, "?": 0.3, "!": 0.3}
"""Silence behind a clause, by the mark that closes it."""
WINDOWS = (8, 16, 32, 64)
"""Frames decoded at a time; the last one repeats. Small ones come early, large ones waste less on their overlap."""
CHUNK_S = 0.2
QUIET = 0.003
"""What is below is silence where speech has not begun, -50 dBFS."""
BEFORE_S = 0.02
"""Kept of the silence before speech: the onset of a first consonant is soft."""


def windows(start: int, end: int, sizes: Sequence[int] = WINDOWS) -> Iterator[tuple[int, int]]:
    """Cut the frames from `start` to `end` into windows of these sizes, of which the last repeats."""
    for i in count():
        if start >= end:
            return
        size = sizes[min(i, len(sizes) - 1)]
        yield start, min(start + size, end)
        start += size


def chunks(parts: Iterator[Pcm], silence: int, times: Sequence[WordTime], size: int) -> Iterator[Speech]:
    """`parts` and the silence behind them, in chunks of at most `size` samples, each with the words it begins."""
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
    """`pcm` times `gain`, held within full scale."""
    louder: Pcm = np.clip(pcm * np.float32(gain), -1, 1)
    return louder


def trimmed(parts: Iterator[Pcm], rate: int) -> Iterator[Pcm]:
    """`parts` without the silence that they begin with."""
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
    """`parts`, and behind the last sound in them silence of `pause` samples; in all not shorter than `least`."""
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


class Pace:
    """When words sound, for a voice that does not tell: by their letters, at the pace of what it said before.

    An estimate: a word is some tenths of a second off, the more the later it stands in a long clause.
    """

    def __init__(self, rate: int) -> None:
        self._a_letter = rate / 14

    def speech(self, parts: Iterator[Pcm], clause: Clause, size: int) -> Iterator[Speech]:
        """`clause` as it is made, in chunks of at most `size` samples, each with the words that may begin in it.

        Where nothing is said in it, `parts` are not asked for.
        """
        if not any(word.spoken for word in clause.words):
            parts = iter(())
        samples = 0
        for speech in chunks(parts, 0, self._times(clause), size):
            samples += speech.pcm.size
            if speech.pcm.size:
                yield speech
            else:
                # It was over sooner than reckoned.
                words = (WordTime(word.index, min(word.start, samples), samples) for word in speech.words)
                yield Speech(speech.pcm, tuple(words))
        if letters := sum(map(_letters, clause.words)):
            self._a_letter = 0.5 * (self._a_letter + samples / letters)

    def _times(self, clause: Clause) -> list[WordTime]:
        ends = np.cumsum([0.0, *map(_letters, clause.words)]) * self._a_letter
        return [WordTime(i, round(start), round(end)) for i, (start, end) in enumerate(pairwise(ends))]


def _letters(word: Word) -> int:
    """How long a word is, with the gap behind it. 0: nothing is said."""
    return len(word.spoken) + 1 if word.spoken else 0
