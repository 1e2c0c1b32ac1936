"""The audio encoders of Qwen2-Audio and of Step-Audio 2 and R1, which see a whole item of at most 25 s at once.

Sources: transformers, models/qwen2_audio; Step-Audio 2 (https://github.com/stepfun-ai/Step-Audio2) for the padding and
the adaptor.
"""

from typing import Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import Qwen2AudioEncoder
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioMultiModalProjector

from audio.pcm import INPUT_RATE, Pcm
from pipeline.encoders.audio_units import Embeddings
from pipeline.encoders.embedding.cuts import quietest
from pipeline.encoders.embedding.embedding_stream import EmbeddingStream, as_embeddings, ready, warmed
from pipeline.encoders.embedding.features import FrontEnd, WhisperLike, floor_of, scaled
from pipeline.encoders.logmel import HOP

ITEM_SAMPLES = 25 * INPUT_RATE
"""The longest audio that Step-Audio takes as one item. Longer audio is cut in silence into independent items."""
CUT_SHARE = 5
"""A cut falls into the last fifth of an item: 5 s, in which every speaker pauses."""
STEP_PADDING = 479
"""Samples of silence that Step-Audio's front end appends."""


class ItemTower(Protocol):
    """A loaded encoder that sees whole items of at most `item_samples`."""

    front: FrontEnd
    item_samples: int

    def frames(self, samples: int) -> int:
        """Number of log-mel frames that the encoder sees of so many samples."""
        ...

    def encode(self, features: torch.Tensor, samples: int) -> torch.Tensor:
        """Embeddings of an item, shape (tokens, width), from its scaled features, shape (n_mels, frames)."""
        ...


class ItemStream(EmbeddingStream):
    """One utterance as items. Closed ones are final; the open one is encoded again, and replaced, at each finish."""

    def __init__(self, tower: ItemTower) -> None:
        super().__init__()
        self._tower = tower
        self._closed: list[Embeddings] = []
        self._open: list[Pcm] = []
        self._mel = tower.front.open()
        self._length = 0
        """Samples in the open item."""

    def _take(self, pcm: Pcm) -> None:
        while len(pcm):
            room = self._tower.item_samples - self._length
            self._open.append(pcm[:room])
            self._mel.push(pcm[:room])
            self._length += len(pcm[:room])
            pcm = pcm[room:]
            if self._length == self._tower.item_samples:
                pcm = np.concatenate((self._close(), pcm))

    def _committed(self) -> tuple[Embeddings, ...]:
        return tuple(self._closed)

    def _rest(self) -> tuple[Embeddings, ...]:
        if not self._length:
            return ()
        log_mels = self._mel.unscaled(self._tower.frames(self._length))
        features = scaled(log_mels, floor_of(float(log_mels.max())))
        return as_embeddings(self._tower.encode(features, self._length), continues=False)

    def _close(self) -> Pcm:
        """Cut the open item, which is full, and return the samples that begin the next one."""
        item = np.concatenate(self._open)
        cut = quietest(item, len(item) - len(item) // CUT_SHARE)
        self._begin()
        self._open.append(item[:cut])
        self._mel.push(item[:cut])
        self._length = cut
        self._closed += self._rest()
        self._begin()
        return item[cut:]

    def _begin(self) -> None:
        self._open.clear()
        self._mel = self._tower.front.open()
        self._length = 0


class StreamingQwen2Audio:
    """Qwen2-Audio's encoder: 25 embeddings a second. The original pads to 30 s and masks the silence; this does not."""

    exact = True

    def __init__(
        self, tower: Qwen2AudioEncoder, projector: Qwen2AudioMultiModalProjector, extractor: WhisperLike
    ) -> None:
        self._tower = ready(tower)
        self._projector = ready(projector)
        self._most_frames = 2 * tower.max_source_positions
        self.front = FrontEnd.of(extractor)
        self.item_samples = min(ITEM_SAMPLES, self._most_frames * HOP)

    def open(self) -> ItemStream:
        return ItemStream(self)

    def warm_up(self) -> None:
        warmed(self.open())

    def frames(self, samples: int) -> int:
        # Two more than there are: the convolutions see them, and their windows still overlap the last samples.
        return min(-(-samples // HOP) + 2, self._most_frames)

    def encode(self, features: torch.Tensor, samples: int) -> torch.Tensor:
        positions = (-(-samples // HOP) - 1) // 2 + 1
        vectors: torch.Tensor = self._projector(attended(self._tower, features, positions))
        return vectors


class StreamingStepAudio:
    """Step-Audio's encoder: 12.5 embeddings a second, from Qwen2-Audio's encoder followed by an adaptor."""

    exact = True

    def __init__(self, tower: Qwen2AudioEncoder, adaptor: "StepAdaptor", extractor: WhisperLike) -> None:
        self._tower = ready(tower)
        self._adaptor = ready(adaptor)
        self.front = FrontEnd.of(extractor)
        self.item_samples = min(ITEM_SAMPLES, 2 * tower.max_source_positions * HOP - STEP_PADDING)

    def open(self) -> ItemStream:
        return ItemStream(self)

    def warm_up(self) -> None:
        warmed(self.open())

    def frames(self, samples: int) -> int:
        return (samples + STEP_PADDING) // HOP

    def encode(self, features: torch.Tensor, samples: int) -> torch.Tensor:
        vectors: torch.Tensor = self._adaptor(attended(self._tower, features, (features.shape[1] - 1) // 2 + 1))
        return vectors


class StepAdaptor(nn.Module):
    """Projects 25 Hz to 12.5 Hz and to the decoder's width: shape (time, width) to (time / 2, output)."""

    def __init__(self, width: int, output: int, hidden: int = 2048) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, output)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        halved = functional.gelu(self.conv(vectors.T)).T if len(vectors) else vectors
        projected: torch.Tensor = self.linear2(functional.relu(self.linear1(halved)))
        return projected


def attended(tower: Qwen2AudioEncoder, features: torch.Tensor, positions: int) -> torch.Tensor:
    """The encoder's output for the first `positions` of the convolutions' output. Shape (positions // 2, width)."""
    weight = tower.conv1.weight
    hidden = functional.gelu(tower.conv1(features[None].to(weight.device, weight.dtype)))
    hidden = functional.gelu(tower.conv2(hidden)).transpose(1, 2)[:, :positions]
    hidden = hidden + tower.embed_positions.weight[:positions]
    for layer in tower.layers:
        hidden = layer(hidden, None)
    pooled = tower.avg_pooler(hidden.transpose(1, 2)).transpose(1, 2) if positions > 1 else hidden[:, :0]
    vectors: torch.Tensor = tower.layer_norm(pooled)[0]
    return vectors
