"""The audio encoders of Qwen2-Audio and of Step-Audio 2 and R1, which see a whole sound at once, of at most 25 s.

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

from pipeline.audio import INPUT_RATE
from pipeline.embeddings import Embeddings
from pipeline.encoders.cuts import quietest
from pipeline.encoders.features import FrontEnd, WhisperLike, floor_of, scaled
from pipeline.encoders.logmel import HOP
from pipeline.encoders.sound import SoundStream, as_embeddings, ready, warmed
from tts.synthesizer import Pcm

ITEM_SAMPLES = 25 * INPUT_RATE
"""The longest sound that Step-Audio takes as one. Longer ones are cut in silence,
into items that do not see each other."""
CUT_SHARE = 5
"""A cut falls into the last fifth of an item: 5 s, in which everybody pauses."""
STEP_PADDING = 479
"""Samples of silence that Step-Audio's front end puts behind a sound."""


class ItemTower(Protocol):
    """A loaded encoder of that kind."""

    front: FrontEnd
    item_samples: int

    def frames(self, samples: int) -> int:
        """How many log-mel frames the encoder sees of a sound."""
        ...

    def encode(self, features: torch.Tensor, samples: int) -> torch.Tensor: ...


class ItemStream(SoundStream):
    """One utterance, as items. Closed ones stay; the open one is encoded anew, and replaced, at each finish."""

    def __init__(self, tower: ItemTower) -> None:
        super().__init__()
        self._tower = tower
        self._closed: list[Embeddings] = []
        self._open: list[Pcm] = []
        self._mel = tower.front.open()
        self._length = 0
        """Samples of the open item."""

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
        """Cut the open item, which is full, and give what begins the next."""
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


class Qwen2Audio:
    """25 embeddings a second. Qwen2-Audio fills up to 30 s and masks the silence; here only the sound is worked on."""

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
        # Two more than there are: the convolutions look at them, and they still see the last samples.
        return min(-(-samples // HOP) + 2, self._most_frames)

    def encode(self, features: torch.Tensor, samples: int) -> torch.Tensor:
        positions = (-(-samples // HOP) - 1) // 2 + 1
        vectors: torch.Tensor = self._projector(attended(self._tower, features, positions))
        return vectors


class StepAudio:
    """12.5 embeddings a second: Qwen2-Audio's encoder over the sound and a little silence, and an adaptor behind it."""

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
    """From 25 Hz to 12.5 Hz, and to the width of the decoder. Shapes: (time, width) to (time / 2, output)."""

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
    """The encoder's output for the first `positions` that the convolutions make: shape (positions // 2, width)."""
    weight = tower.conv1.weight
    hidden = functional.gelu(tower.conv1(features[None].to(weight.device, weight.dtype)))
    hidden = functional.gelu(tower.conv2(hidden)).transpose(1, 2)[:, :positions]
    hidden = hidden + tower.embed_positions.weight[:positions]
    for layer in tower.layers:
        hidden = layer(hidden, None)
    pooled = tower.avg_pooler(hidden.transpose(1, 2)).transpose(1, 2) if positions > 1 else hidden[:, :0]
    vectors: torch.Tensor = tower.layer_norm(pooled)[0]
    return vectors
