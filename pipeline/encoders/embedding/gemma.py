"""The causal audio encoder of Gemma 4, with the cache that its own implementation lacks.

Source: transformers, models/gemma4, whose modules do the work. Two convolutions bring 10 ms frames to 40 ms, then
conformer layers look back over a few positions. The cache holds what they look back at: the inputs of each layer's
attention and convolution.
"""

from dataclasses import dataclass
from typing import cast

import torch
from transformers import Gemma4AudioFeatureExtractor
from transformers.models.gemma4.modeling_gemma4 import (
    Gemma4AudioAttention,
    Gemma4AudioLayer,
    Gemma4AudioModel,
    Gemma4MultimodalEmbedder,
)

from audio.pcm import Pcm
from pipeline.encoders.audio_units import Embeddings
from pipeline.encoders.embedding.embedding_stream import EmbeddingStream, as_embeddings, ready, warmed
from pipeline.encoders.embedding.features import GemmaMel

FRAMES = 4
"""Log-mel frames of one embedding."""


class StreamingGemma:
    """Gemma 4's audio encoder: 25 embeddings a second, each final once its audio is complete."""

    exact = True

    def __init__(
        self, tower: Gemma4AudioModel, embedder: Gemma4MultimodalEmbedder, extractor: Gemma4AudioFeatureExtractor
    ) -> None:
        """Raises `ValueError` for an encoder whose attention looks ahead."""
        if tower.config.attention_context_right:
            raise ValueError("this Gemma audio encoder looks ahead: its embeddings can't be committed early")
        self._tower = ready(tower)
        self._embedder = ready(embedder)
        self.extractor = extractor
        self._attended = max(tower.config.attention_context_left - 2, 0)
        """Positions that attention looks back over."""
        self._convolved = tower.config.conv_kernel_size - 1

    def open(self) -> "GemmaStream":
        return GemmaStream(self)

    def warm_up(self) -> None:
        warmed(self.open())

    def encode(self, frames: torch.Tensor, past: "GemmaState") -> tuple[torch.Tensor, "GemmaState"]:
        """Embeddings of the next frames, shape (frames, n_mels), and the state after them."""
        tower = self._tower
        weight = tower.output_proj.weight
        frames = torch.cat((past.frames, frames))
        # Positions of the earlier frames, which only give the new ones their left edge, and lack one of their own.
        known = len(past.frames) // FRAMES
        hidden, _ = tower.subsample_conv_projection(frames[None].to(weight.device, weight.dtype), None)
        hidden = hidden[:, known:]
        layers: list[GemmaLayerState] = []
        for index, layer in enumerate(tower.layers):
            before = past.layers[index] if past.layers else GemmaLayerState(hidden[:, :0], hidden[:, :0])
            hidden, after = self._layer(cast(Gemma4AudioLayer, layer), hidden, before)
            layers.append(after)
        vectors = self._embedder(tower.output_proj(hidden))[0]
        return vectors, GemmaState(frames[-FRAMES:], tuple(layers))

    def _layer(
        self, layer: Gemma4AudioLayer, hidden: torch.Tensor, past: "GemmaLayerState"
    ) -> tuple[torch.Tensor, "GemmaLayerState"]:
        """The steps of Gemma4AudioLayer, with the cached inputs before those of attention and convolution."""
        limit = min(layer.gradient_clipping, torch.finfo(layer.norm_pre_attn.weight.dtype).max)
        new = hidden.shape[1]
        hidden = layer.feed_forward1(hidden)
        seen = torch.cat((past.attended, layer.norm_pre_attn(hidden.clamp(-limit, limit))), dim=1)
        attended, _ = layer.self_attn(seen, self._tower.rel_pos_enc(seen), self._mask(seen, layer.self_attn))
        hidden = hidden + layer.norm_post_attn(attended[:, -new:].clamp(-limit, limit))
        blended = torch.cat((past.convolved, hidden), dim=1)
        hidden = layer.feed_forward2(layer.lconv1d(blended)[:, -new:])
        after = GemmaLayerState(_last(seen, self._attended), _last(blended, self._convolved))
        return layer.norm_out(hidden.clamp(-limit, limit)), after

    def _mask(self, hidden: torch.Tensor, attention: Gemma4AudioAttention) -> torch.Tensor:
        """Mask of what each position must not see, in the blocks that Gemma's attention works in."""
        length = hidden.shape[1]
        at = torch.arange(length, device=hidden.device)
        distance = at[:, None] - at
        hidden_from = (distance < 0) | (distance >= attention.max_past_horizon)
        mask = torch.zeros(length, length, device=hidden.device).masked_fill(
            hidden_from, torch.finfo(torch.float32).min
        )
        return self._tower._convert_4d_mask_to_blocked_5d(mask[None, None])


@dataclass(frozen=True, slots=True)
class GemmaLayerState:
    """What one layer looks back at: inputs of shape (1, positions, width)."""

    attended: torch.Tensor
    convolved: torch.Tensor


@dataclass(frozen=True, slots=True)
class GemmaState:
    """What the encoder remembers of the preceding audio."""

    frames: torch.Tensor
    """The last log-mel frames, shape (frames, n_mels)."""
    layers: tuple[GemmaLayerState, ...] = ()


class GemmaStream(EmbeddingStream):
    """One utterance in Gemma's audio encoder."""

    def __init__(self, gemma: StreamingGemma) -> None:
        super().__init__()
        self._gemma = gemma
        self._mel = GemmaMel(gemma.extractor)
        self._waiting = torch.empty(0, gemma.extractor.feature_size)
        """Frames that do not fill an embedding yet."""
        self._past = GemmaState(self._waiting)
        self._encoded: list[Embeddings] = []

    def _take(self, pcm: Pcm) -> None:
        self._waiting = torch.cat((self._waiting, torch.from_numpy(self._mel.push(pcm))))
        ready = len(self._waiting) // FRAMES * FRAMES
        if ready:
            vectors, self._past = self._gemma.encode(self._waiting[:ready], self._past)
            self._waiting = self._waiting[ready:].clone()
            self._encoded.append(Embeddings(vectors, continues=bool(self._encoded)))

    def _committed(self) -> tuple[Embeddings, ...]:
        return tuple(self._encoded)

    def _rest(self) -> tuple[Embeddings, ...]:
        if not len(self._waiting):
            return ()
        vectors, _ = self._gemma.encode(self._waiting, self._past)
        return as_embeddings(vectors, continues=bool(self._encoded))


def _last(hidden: torch.Tensor, count: int) -> torch.Tensor:
    return hidden[:, max(hidden.shape[1] - count, 0) :]
