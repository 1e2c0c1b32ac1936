"""What the encoders of sound have in common: when the open end is looked at, and what a finish commits."""

from abc import ABC, abstractmethod
from typing import TypeVar

import torch
from torch import nn

from pipeline.embeddings import Embeddings
from pipeline.encoders.encoder import Heard
from tts.synthesizer import Pcm

M = TypeVar("M", bound=nn.Module)

HOP_SAMPLES = 8000
"""Sound that is new before the open end is encoded again; more of it in longer utterances, see `push`."""


class SoundStream(ABC):
    """One utterance on its way to becoming embeddings."""

    def __init__(self) -> None:
        self.samples = 0
        """Received so far."""
        self._unseen = 0
        self._tentative: tuple[Embeddings, ...] = ()
        self._finished: Heard | None = None

    @torch.inference_mode()
    def push(self, pcm: Pcm) -> Heard:
        """Take the samples; commit what no sample to come can change; look at the rest if a hop came together.

        The hop grows with what a look may cost, so that all looks together cost in proportion to the sound.
        """
        if len(pcm):
            self._finished = None
            self.samples += len(pcm)
            self._unseen += len(pcm)
            if self._take(pcm):
                self._tentative = ()
            if self._unseen >= max(HOP_SAMPLES, self._looked_at() // 4):
                self._unseen = 0
                self._tentative = self._look()
        return Heard(committed_sound=self._committed(), tentative_sound=self._tentative)

    @torch.inference_mode()
    def finish(self) -> Heard:
        """Everything that was heard, encoded as if it had come in one piece."""
        if self._finished is None:
            self._unseen = 0
            self._tentative = self._end()
            self._finished = Heard(committed_sound=self._committed() + self._tentative)
        return self._finished

    @abstractmethod
    def _take(self, pcm: Pcm) -> bool:
        """Take the samples; whether that committed more."""

    @abstractmethod
    def _looked_at(self) -> int:
        """Samples that a look may have to encode."""

    @abstractmethod
    def _committed(self) -> tuple[Embeddings, ...]:
        """Of all that is closed."""

    @abstractmethod
    def _look(self) -> tuple[Embeddings, ...]:
        """What is open, as if nothing followed."""

    def _end(self) -> tuple[Embeddings, ...]:
        """The same, where the end of the utterance is certain."""
        return self._look()


def ready(module: M) -> M:
    """Not to be trained any more."""
    module.eval()
    return module


def as_embeddings(vectors: torch.Tensor, continues: bool) -> tuple[Embeddings, ...]:
    """None where there are no vectors."""
    return (Embeddings(vectors, continues),) if len(vectors) else ()
