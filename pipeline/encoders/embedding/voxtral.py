"""The causal audio encoder of Voxtral Realtime: audio is encoded once, and seen only by what follows it.

Source: transformers, models/voxtral_realtime, with its own caches. Its feature extractor scales by a fixed loudness,
so committed embeddings never change.
"""

import copy
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import DynamicCache, VoxtralRealtimeModel
from transformers.models.voxtral_realtime.modeling_voxtral_realtime import VoxtralRealtimeConv1dPaddingCache

from audio.pcm import Pcm
from pipeline.encoders.audio_units import Embeddings
from pipeline.encoders.embedding.embedding_stream import EmbeddingStream, as_embeddings, ready, warmed
from pipeline.encoders.embedding.features import FrontEnd, WhisperLike, floor_of, scaled
from pipeline.encoders.kv_cache import fork
from pipeline.encoders.logmel import HOP


class LoudnessLike(WhisperLike, Protocol):
    """The parameters of VoxtralRealtimeFeatureExtractor."""

    global_log_mel_max: float


class StreamingVoxtral:
    """Voxtral Realtime's audio encoder: 12.5 embeddings a second, in bounded memory (a sliding window).

    The decoder adds them to its text embeddings, one to each token. It is trained on audio that begins with silence:
    the caller pushes that first.
    """

    exact = True

    def __init__(self, model: VoxtralRealtimeModel, extractor: LoudnessLike) -> None:
        self._model = ready(model)
        self.front = FrontEnd.of(extractor)
        self.floor = floor_of(extractor.global_log_mel_max)
        self.frames = model.config.downsample_factor * 2
        """Log-mel frames of one embedding."""

    def open(self) -> "VoxtralStream":
        return VoxtralStream(self)

    def warm_up(self) -> None:
        warmed(self.open())

    def encode(self, features: torch.Tensor, past: "VoxtralState") -> tuple[torch.Tensor, "VoxtralState"]:
        """Embeddings of the next frames, and the state after them. `past` must not be used again."""
        weight = self._model.audio_tower.embedder.conv1.weight
        output = self._model.get_audio_features(
            input_features=features[None].to(weight.device, weight.dtype),
            past_key_values=past.attended,
            padding_cache=past.convolved,
            use_cache=True,
            return_dict=True,
        )
        return output.pooler_output[0], VoxtralState(output.past_key_values, output.padding_cache)


@dataclass(frozen=True, slots=True)
class VoxtralState:
    """What the encoder remembers of the preceding audio: keys and values, and the last inputs of its convolutions."""

    attended: DynamicCache | None = None
    convolved: VoxtralRealtimeConv1dPaddingCache | None = None

    def fork(self) -> "VoxtralState":
        """A copy that may be used up while this state stays."""
        attended = fork(self.attended) if self.attended is not None else None
        return VoxtralState(attended, copy.deepcopy(self.convolved))  # overwritten in place by the convolutions


class VoxtralStream(EmbeddingStream):
    """One utterance in Voxtral's audio encoder."""

    def __init__(self, voxtral: StreamingVoxtral) -> None:
        super().__init__()
        self._voxtral = voxtral
        self._mel = voxtral.front.open()
        self._past = VoxtralState()
        self._encoded: list[Embeddings] = []
        self._tokens = 0

    def _take(self, pcm: Pcm) -> None:
        self._mel.push(pcm)
        ready = self._mel.finished // self._voxtral.frames
        if ready:
            features = scaled(self._mel.drop(ready * self._voxtral.frames), self._voxtral.floor)
            vectors, self._past = self._voxtral.encode(features, self._past)
            self._encoded.append(Embeddings(vectors, continues=bool(self._encoded)))
            self._tokens += ready

    def _committed(self) -> tuple[Embeddings, ...]:
        return tuple(self._encoded)

    def _rest(self) -> tuple[Embeddings, ...]:
        """The tail, padded with silence to a whole embedding."""
        tokens = -(-self.samples // (self._voxtral.frames * HOP)) - self._tokens
        if not tokens:
            return ()
        features = scaled(self._mel.unscaled(tokens * self._voxtral.frames), self._voxtral.floor)
        vectors, _ = self._voxtral.encode(features, self._past.fork())
        return as_embeddings(vectors, continues=bool(self._encoded))
