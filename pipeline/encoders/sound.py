"""What the encoders of sound have in common: what is certain is encoded as it comes, the rest when it is asked for."""

from abc import ABC, abstractmethod
from typing import TypeVar

import torch
from torch import nn

from pipeline.audio import INPUT_RATE, silence
from pipeline.embeddings import Embeddings
from pipeline.encoders.encoder import Heard
from tts.synthesizer import Pcm

M = TypeVar("M", bound=nn.Module)


class SoundStream(ABC):
    """One utterance on its way to becoming embeddings."""

    def __init__(self) -> None:
        self.samples = 0
        """Received so far."""
        self._finished: Heard | None = None

    @torch.inference_mode()
    def push(self, pcm: Pcm) -> Heard:
        """Take the samples, and commit what no sample to come can change."""
        if len(pcm):
            self._finished = None
            self.samples += len(pcm)
            self._take(pcm)
        return Heard(committed_sound=self._committed())

    @torch.inference_mode()
    def finish(self) -> Heard:
        """Everything that was heard, encoded as if it had come in one piece."""
        if self._finished is None:
            rest = self._rest()  # first: it may replace what was committed
            self._finished = Heard(committed_sound=self._committed(), tentative_sound=rest)
        return self._finished

    @abstractmethod
    def _take(self, pcm: Pcm) -> None:
        """Take the samples, and encode what no sample to come can change."""

    @abstractmethod
    def _committed(self) -> tuple[Embeddings, ...]:
        """Of all that is closed."""

    @abstractmethod
    def _rest(self) -> tuple[Embeddings, ...]:
        """Of what is open, as if nothing followed."""


def ready(module: M) -> M:
    """Not to be trained any more."""
    module.eval()
    return module


def warmed(stream: SoundStream) -> None:
    """Have its model encode half a second."""
    stream.push(silence(INPUT_RATE // 2))
    stream.finish()


def as_embeddings(vectors: torch.Tensor, continues: bool) -> tuple[Embeddings, ...]:
    """None where there are no vectors."""
    return (Embeddings(vectors, continues),) if len(vectors) else ()
