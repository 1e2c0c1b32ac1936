"""A ring buffer for the recent past of a stream of samples."""

from collections import deque

import numpy as np

from audio.pcm import Pcm, silence


class RingBuffer:
    """Keeps at least the last `samples` samples that were pushed."""

    def __init__(self, samples: int) -> None:
        self._limit = samples
        self._blocks: deque[Pcm] = deque()
        self._held = 0

    def push(self, pcm: Pcm) -> None:
        if not len(pcm):
            return
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

    def take_back(self, samples: int) -> Pcm:
        """Remove and return the newest `samples` samples, or as many as there are."""
        taken = self.last(samples)
        missing = len(taken)
        while missing:
            block = self._blocks.pop()
            if len(block) > missing:
                self._blocks.append(block[:-missing])
            missing -= min(len(block), missing)
        self._held -= len(taken)
        return taken
