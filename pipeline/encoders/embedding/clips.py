"""Audio without encoding, for a server whose model has its own encoder."""

import numpy as np

from audio.pcm import INPUT_RATE, Pcm
from pipeline.encoders.audio_units import Clip
from pipeline.encoders.embedding.cuts import quietest
from pipeline.encoders.encoder import Heard

CLIP_SAMPLES = 25 * INPUT_RATE
"""The longest audio that Step-Audio takes as one clip: 25 s."""
CUT_SAMPLES = 5 * INPUT_RATE
"""A clip that is too long is cut in silence within its last 5 s, in which every speaker pauses."""


class ClipEncoder:
    """Cuts an utterance into clips, so that a server can read the closed ones while the person still speaks."""

    exact = True

    def open(self) -> "ClipStream":
        return ClipStream()

    def warm_up(self) -> None:
        pass


class ClipStream:
    """One utterance as clips: closed ones are committed, the open one is tentative."""

    waits = False

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
        return Heard(committed_units=tuple(self._closed))

    def finish(self) -> Heard:
        if self._finished is None:
            rest = (Clip(np.concatenate(self._open), closed=False),) if any(map(len, self._open)) else ()
            self._finished = Heard(committed_units=tuple(self._closed), tentative_units=rest)
        return self._finished

    def _cut(self) -> None:
        rest = np.concatenate(self._open)
        while len(rest) >= CLIP_SAMPLES:
            at = quietest(rest[:CLIP_SAMPLES], CLIP_SAMPLES - CUT_SAMPLES)
            self._closed.append(Clip(rest[:at].copy(), closed=True))
            rest = rest[at:]
        self._open = [rest.copy()]
