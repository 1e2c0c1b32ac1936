"""Samples on their way through the agent: their rate, the recent past, and the step from one rate to another."""

from collections import deque

import numpy as np

from tts.synthesizer import Pcm

INPUT_RATE = 16_000
"""Hz of all audio that comes into the agent; the conversation's clock counts these samples."""


def silence(samples: int) -> Pcm:
    return np.zeros(samples, dtype=np.float32)


class Recent:
    """The last `samples` samples that were pushed."""

    def __init__(self, samples: int) -> None:
        self._limit = samples
        self._blocks: deque[Pcm] = deque()
        self._held = 0

    def push(self, pcm: Pcm) -> None:
        self._blocks.append(pcm)
        self._held += len(pcm)
        while self._blocks and self._held - len(self._blocks[0]) >= self._limit:
            self._held -= len(self._blocks.popleft())

    def last(self, samples: int) -> Pcm:
        """The newest `samples` samples, or as many as there are."""
        if not self._blocks or samples <= 0:
            return silence(0)
        newest = deque[Pcm]()
        missing = samples
        for block in reversed(self._blocks):
            newest.appendleft(block)
            missing -= len(block)
            if missing <= 0:
                break
        return np.concatenate(newest)[-samples:]


class Resampler:
    """A stream of samples from one rate to another, without seams between blocks.

    soxr's variable-rate filter holds back a constant 10 ms from 24 kHz and 30 ms from 8 kHz; its fixed-rate filters
    work in blocks of their own and hold back up to 37 and 118 ms, for which every turn and every answer would wait.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        import soxr  # here, for the models of sound need no more than torch and transformers

        self._stream = (
            None
            if source_rate == target_rate
            else soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", vr=True)
        )

    def push(self, pcm: Pcm, last: bool = False) -> Pcm:
        """Resample the next block; `last` flushes what the filter still holds and begins a new stream."""
        if self._stream is None or not (len(pcm) or last):
            return pcm
        resampled: Pcm = self._stream.resample_chunk(pcm, last=last)
        if last:
            self._stream.clear()
        return resampled
