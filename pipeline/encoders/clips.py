"""No encoding at all: the sound goes as it is to a server whose model has an encoder of its own."""

import numpy as np

from pipeline.audio import INPUT_RATE
from pipeline.embeddings import Clip
from pipeline.encoders.cuts import quietest
from pipeline.encoders.encoder import Heard
from tts.synthesizer import Pcm

CLIP_SAMPLES = 25 * INPUT_RATE
"""The longest sound that Step-Audio takes as one."""
CUT_SAMPLES = 5 * INPUT_RATE
"""A clip that is too long is cut in silence, somewhere in this much of its end: everybody pauses in 5 s."""


class Clips:
    """Whole clips are sent while the person still speaks, so that the server has read them when the turn ends."""

    exact = True

    def open(self) -> "ClipStream":
        return ClipStream()

    def warm_up(self) -> None:
        pass


class ClipStream:
    """One utterance."""

    def __init__(self) -> None:
        self._closed: list[Clip] = []
        self._open: list[Pcm] = []
        self._finished: Heard | None = None

    def push(self, pcm: Pcm) -> Heard:
        if len(pcm):
            self._finished = None
            self._open.append(pcm)
            if sum(map(len, self._open)) >= CLIP_SAMPLES:
                self._cut()
        return Heard(committed_sound=tuple(self._closed))

    def finish(self) -> Heard:
        if self._finished is None:
            rest = (Clip(np.concatenate(self._open), closed=False),) if any(map(len, self._open)) else ()
            self._finished = Heard(committed_sound=tuple(self._closed), tentative_sound=rest)
        return self._finished

    def _cut(self) -> None:
        rest = np.concatenate(self._open)
        while len(rest) >= CLIP_SAMPLES:
            at = quietest(rest[:CLIP_SAMPLES], CLIP_SAMPLES - CUT_SAMPLES)
            self._closed.append(Clip(rest[:at].copy(), closed=True))
            rest = rest[at:]
        self._open = [rest.copy()]
