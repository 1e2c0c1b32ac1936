"""What audio encoders have in common: final embeddings are computed as the audio arrives, the tail on request."""

from abc import ABC, abstractmethod
from typing import TypeVar

import torch
from torch import nn

from audio.pcm import INPUT_RATE, Pcm, silence
from pipeline.encoders.audio_units import Embeddings
from pipeline.encoders.encoder import Heard

M = TypeVar("M", bound=nn.Module)


class EmbeddingStream(ABC):
    """One utterance and its embeddings so far."""

    waits = False

    def __init__(self) -> None:
        self.samples = 0
        """Samples received so far."""
        self._finished: Heard | None = None

    @torch.inference_mode()
    def push(self, pcm: Pcm) -> Heard:
        """Take the samples, and commit the embeddings that no further sample can change."""
        if len(pcm):
            self._finished = None
            self.samples += len(pcm)
            self._take(pcm)
        return Heard(committed_units=self._committed())

    @torch.inference_mode()
    def finish(self) -> Heard:
        """All embeddings, as if the utterance had been encoded in one piece."""
        if self._finished is None:
            rest = self._rest()  # first: it may replace what was committed
            self._finished = Heard(committed_units=self._committed(), tentative_units=rest)
        return self._finished

    @abstractmethod
    def _take(self, pcm: Pcm) -> None:
        """Take the samples, and encode what no further sample can change."""

    @abstractmethod
    def _committed(self) -> tuple[Embeddings, ...]:
        """Embeddings of everything that is closed."""

    @abstractmethod
    def _rest(self) -> tuple[Embeddings, ...]:
        """Embeddings of the open tail, as if nothing followed."""


def ready(module: M) -> M:
    """`module` in evaluation mode."""
    module.eval()
    return module


def warmed(stream: EmbeddingStream) -> None:
    """Run the stream's model once, on half a second of silence."""
    stream.push(silence(INPUT_RATE // 2))
    stream.finish()


def as_embeddings(vectors: torch.Tensor, continues: bool) -> tuple[Embeddings, ...]:
    """`vectors`, shape (tokens, width), as a unit; no unit if there are no tokens."""
    return (Embeddings(vectors, continues),) if len(vectors) else ()
