"""The audio encoders of Qwen2.5-Omni (blocks of 2 s), and of Qwen3-Omni and Qwen3-ASR (blocks of 8 s).

Source: transformers, models/qwen2_5_omni, models/qwen3_omni_moe and models/qwen3_asr, whose modules do the work.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniAudioEncoder
from transformers.models.qwen3_asr.modeling_qwen3_asr import Qwen3ASREncoder, Qwen3ASRMultiModalProjector
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import Qwen3OmniMoeAudioEncoder

from pipeline.encoders.embedding.blocks import BlockEncoding, BlockStream
from pipeline.encoders.embedding.embedding_stream import ready, warmed
from pipeline.encoders.embedding.features import FrontEnd, WhisperLike, scaled
from pipeline.encoders.logmel import HOP, LogMels

ASR_SHORTEST = 8000
"""Samples to which Qwen3-ASR's feature extractor pads shorter audio: half a second."""


class StreamingQwen25Omni:
    """Qwen2.5-Omni's encoder: 25 embeddings a second. Its 2 s blocks are independent in convolution and attention."""

    exact = True

    def __init__(self, tower: Qwen2_5OmniAudioEncoder, extractor: WhisperLike) -> None:
        self._tower = ready(tower)
        self.front = FrontEnd.of(extractor)
        self.block_frames = 2 * tower.n_window

    def open(self) -> BlockStream:
        return BlockStream(self)

    def warm_up(self) -> None:
        warmed(self.open())

    def frames(self, samples: int) -> int:
        return -(-samples // HOP)

    def mirrors(self, samples: int) -> bool:
        return False

    def begin(self, block: int) -> BlockEncoding:
        return self  # keeps no state of a block

    def prepare(self, log_mels: LogMels, floor: float) -> None:
        """Does nothing: all layers see the whole block."""

    def encode(self, log_mels: LogMels, floor: float) -> torch.Tensor:
        weight = self._tower.conv1.weight
        if log_mels.shape[1] < 3:  # gives one position, and an embedding takes two
            return weight.new_empty(0, self._tower.proj.out_features)
        features = scaled(log_mels, floor).to(weight.device, weight.dtype)
        length = torch.tensor([features.shape[1]], device=weight.device)
        vectors: torch.Tensor = self._tower(input_features=features, feature_lens=length).last_hidden_state
        return vectors


class StreamingQwen3:
    """The Qwen3 family's encoder: 13 embeddings a second, convolutions over 1 s chunks, attention over 8 s blocks."""

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
        warmed(self.open())

    def frames(self, samples: int) -> int:
        return samples // HOP

    def mirrors(self, samples: int) -> bool:
        return True

    def begin(self, block: int) -> BlockEncoding:
        return Qwen3Block(self, first=block == 0)

    def width(self, first: bool, frames: int) -> int:
        """Frames to which a chunk of `frames` is padded: to a full chunk, unless it is the first of the utterance."""
        return frames if first else self.chunk_frames


class StreamingQwen3Omni(StreamingQwen3):
    """Qwen3-Omni's encoder, whose projector is part of the tower."""

    def __init__(self, tower: Qwen3OmniMoeAudioEncoder, extractor: WhisperLike) -> None:
        super().__init__(tower, nn.Sequential(tower.proj1, tower.act, tower.proj2), extractor)


class StreamingQwen3Asr(StreamingQwen3):
    """Qwen3-ASR's encoder. Its projector follows the tower; chunks are always padded, and so is audio under 0.5 s."""

    def __init__(self, tower: Qwen3ASREncoder, projector: Qwen3ASRMultiModalProjector, extractor: WhisperLike) -> None:
        super().__init__(tower, projector, extractor)

    def frames(self, samples: int) -> int:
        return max(samples, ASR_SHORTEST) // HOP if samples else 0

    def mirrors(self, samples: int) -> bool:
        return samples >= ASR_SHORTEST

    def width(self, first: bool, frames: int) -> int:
        return self.chunk_frames


class Qwen3Block:
    """One block: full chunks go through the convolutions at once, the block through attention on request."""

    def __init__(self, model: StreamingQwen3, first: bool) -> None:
        self._model = model
        self._first = first
        self._chunks: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Features of the full chunks, and what the convolutions made of each."""

    def prepare(self, log_mels: LogMels, floor: float) -> None:
        size = self._model.chunk_frames
        full = log_mels.shape[1] // size
        if full > len(self._chunks):
            self._convolve(scaled(log_mels[:, : full * size], floor))

    def encode(self, log_mels: LogMels, floor: float) -> torch.Tensor:
        tower = self._model.tower
        hidden = torch.cat(self._convolve(scaled(log_mels, floor)))
        ends = torch.tensor([0, len(hidden)], dtype=torch.int32, device=hidden.device)
        for layer in tower.layers:
            (hidden,) = layer(hidden, ends, max_seqlen=len(hidden))
        vectors: torch.Tensor = self._model.projector(tower.ln_post(hidden))
        return vectors

    def _convolve(self, features: torch.Tensor) -> list[torch.Tensor]:
        """What the convolutions make of each chunk. Full chunks that have not changed are not computed again."""
        weight, size = self._model.tower.conv_out.weight, self._model.chunk_frames
        made: list[torch.Tensor] = []
        for index, chunk in enumerate(torch.split(features, size, dim=1)):
            if index < len(self._chunks) and torch.equal(self._chunks[index][0], chunk):
                made.append(self._chunks[index][1])
                continue
            width = self._model.width(self._first and index == 0, chunk.shape[1])
            padded = functional.pad(chunk, (0, width - chunk.shape[1])).to(weight.device, weight.dtype)
            made.append(convolved(self._model.tower, padded)[: positions(chunk.shape[1])])
            if chunk.shape[1] == size:
                self._chunks[index:] = [(chunk, made[-1])]
        return made


def convolved(tower: Qwen3OmniMoeAudioEncoder | Qwen3ASREncoder, chunk: torch.Tensor) -> torch.Tensor:
    """Three convolutions over time and frequency, with positional embeddings. Shape (positions, width)."""
    hidden = chunk[None, None]
    for convolution in (tower.conv2d1, tower.conv2d2, tower.conv2d3):
        hidden = functional.gelu(convolution(hidden))
    _, channels, bins, length = hidden.shape
    vectors: torch.Tensor = tower.conv_out(hidden[0].permute(2, 0, 1).reshape(length, channels * bins))
    return vectors + tower.positional_embedding.positional_embedding[:length].to(vectors.dtype)


def positions(frames: int) -> int:
    """Positions of a chunk of so many frames, after three convolutions of stride 2."""
    for _ in range(3):
        frames = (frames - 1) // 2 + 1
    return frames
