"""The audio encoders of Qwen2.5-Omni (blocks of 2 s), and of Qwen3-Omni and Qwen3-ASR (8 s, of chunks of 1 s).

Source: transformers, models/qwen2_5_omni, models/qwen3_omni_moe and models/qwen3_asr, whose modules do the work here.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniAudioEncoder
from transformers.models.qwen3_asr.modeling_qwen3_asr import Qwen3ASREncoder, Qwen3ASRMultiModalProjector
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import Qwen3OmniMoeAudioEncoder

from pipeline.audio import silence
from pipeline.encoders.blocks import BlockStream, Encode
from pipeline.encoders.features import FrontEnd, WhisperLike
from pipeline.encoders.logmel import HOP
from pipeline.encoders.sound import HOP_SAMPLES, ready

ASR_SHORTEST = 8000
"""Samples to which Qwen3-ASR's feature extractor fills up shorter sound."""


class Qwen25Omni:
    """25 embeddings a second. Its 2 s blocks see nothing of each other, neither in convolution nor in attention."""

    exact = True

    def __init__(self, tower: Qwen2_5OmniAudioEncoder, extractor: WhisperLike) -> None:
        self._tower = ready(tower)
        self.front = FrontEnd.of(extractor)
        self.block_frames = 2 * tower.n_window

    def open(self) -> BlockStream:
        return BlockStream(self)

    def warm_up(self) -> None:
        self.open().push(silence(HOP_SAMPLES))

    def frames(self, samples: int) -> int:
        return -(-samples // HOP)

    def mirrors(self, samples: int) -> bool:
        return False

    def begin(self, block: int) -> Encode:
        return self._encode

    def _encode(self, features: torch.Tensor) -> torch.Tensor:
        weight = self._tower.conv1.weight
        if features.shape[1] < 3:  # makes one position, and an embedding takes two
            return weight.new_empty(0, self._tower.proj.out_features)
        features = features.to(weight.device, weight.dtype)
        length = torch.tensor([features.shape[1]], device=weight.device)
        vectors: torch.Tensor = self._tower(input_features=features, feature_lens=length).last_hidden_state
        return vectors


class Qwen3:
    """13 embeddings a second. A chunk of 1 s goes through the convolutions by itself; 8 s of them see each other."""

    exact = True

    def __init__(
        self, tower: Qwen3OmniMoeAudioEncoder | Qwen3ASREncoder, projector: nn.Module, extractor: WhisperLike
    ) -> None:
        self.tower = ready(tower)
        self.projector = ready(projector)
        self.front = FrontEnd.of(extractor)
        self.chunk_frames = 2 * tower.n_window
        self.block_frames = tower.n_window_infer // self.chunk_frames * self.chunk_frames

    def open(self) -> BlockStream:
        return BlockStream(self)

    def warm_up(self) -> None:
        self.open().push(silence(HOP_SAMPLES))

    def frames(self, samples: int) -> int:
        return samples // HOP

    def mirrors(self, samples: int) -> bool:
        return True

    def begin(self, block: int) -> Encode:
        return Window(self, first=block == 0)

    def width(self, first: bool, frames: int) -> int:
        """Frames to which a chunk of so many is filled up: as long as the longest, unless it is the only one."""
        return frames if first else self.chunk_frames


class Qwen3Omni(Qwen3):
    """Its projector is part of the tower."""

    def __init__(self, tower: Qwen3OmniMoeAudioEncoder, extractor: WhisperLike) -> None:
        super().__init__(tower, nn.Sequential(tower.proj1, tower.act, tower.proj2), extractor)


class Qwen3Asr(Qwen3):
    """Its projector follows the tower. Chunks are always filled up, and so is sound under half a second."""

    def __init__(self, tower: Qwen3ASREncoder, projector: Qwen3ASRMultiModalProjector, extractor: WhisperLike) -> None:
        super().__init__(tower, projector, extractor)

    def frames(self, samples: int) -> int:
        return max(samples, ASR_SHORTEST) // HOP if samples else 0

    def mirrors(self, samples: int) -> bool:
        return samples >= ASR_SHORTEST

    def width(self, first: bool, frames: int) -> int:
        return self.chunk_frames


class Window:
    """One block of Qwen3: remembers what the convolutions made of each chunk, for the looks that follow."""

    def __init__(self, model: Qwen3, first: bool) -> None:
        self._model = model
        self._first = first
        self._chunks: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Features and what was made of them."""

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        tower = self._model.tower
        weight = tower.conv_out.weight
        size = self._model.chunk_frames
        made: list[torch.Tensor] = []
        for index, chunk in enumerate(torch.split(features, size, dim=1)):
            if index == len(self._chunks) or not torch.equal(self._chunks[index][0], chunk):
                width = self._model.width(self._first and index == 0, chunk.shape[1])
                padded = functional.pad(chunk, (0, width - chunk.shape[1])).to(weight.device, weight.dtype)
                self._chunks[index:] = [(chunk, convolved(tower, padded)[: positions(chunk.shape[1])])]
            made.append(self._chunks[index][1])
        hidden = torch.cat(made)
        ends = torch.tensor([0, len(hidden)], dtype=torch.int32, device=weight.device)
        for layer in tower.layers:
            (hidden,) = layer(hidden, ends, max_seqlen=len(hidden))
        vectors: torch.Tensor = self._model.projector(tower.ln_post(hidden))
        return vectors


def convolved(tower: Qwen3OmniMoeAudioEncoder | Qwen3ASREncoder, chunk: torch.Tensor) -> torch.Tensor:
    """Three convolutions over time and frequency, and each chunk's own positions: shape (positions, width)."""
    hidden = chunk[None, None]
    for convolution in (tower.conv2d1, tower.conv2d2, tower.conv2d3):
        hidden = functional.gelu(convolution(hidden))
    _, channels, bins, length = hidden.shape
    vectors: torch.Tensor = tower.conv_out(hidden[0].permute(2, 0, 1).reshape(length, channels * bins))
    return vectors + tower.positional_embedding.positional_embedding[:length].to(vectors.dtype)


def positions(frames: int) -> int:
    """Of a chunk, behind three convolutions of stride 2."""
    for _ in range(3):
        frames = (frames - 1) // 2 + 1
    return frames
