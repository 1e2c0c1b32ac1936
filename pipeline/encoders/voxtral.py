"""The causal audio encoder of Voxtral Realtime: each sound is encoded once, and seen by what comes after it only.

Source: transformers, models/voxtral_realtime, whose own caches are used. Its feature extractor scales by a fixed
loudness, so nothing that was committed ever changes.
"""

import copy
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import DynamicCache, VoxtralRealtimeModel
from transformers.models.voxtral_realtime.modeling_voxtral_realtime import VoxtralRealtimeConv1dPaddingCache

from pipeline.embeddings import Embeddings
from pipeline.encoders.features import FrontEnd, WhisperLike, floor_of, scaled
from pipeline.encoders.logmel import HOP
from pipeline.encoders.sound import SoundStream, as_embeddings, ready, warmed
from pipeline.kv_cache import fork
from tts.synthesizer import Pcm


class LoudnessLike(WhisperLike, Protocol):
    """The parameters of VoxtralRealtimeFeatureExtractor."""

    global_log_mel_max: float


class Voxtral:
    """12.5 embeddings a second. Attention looks back over a sliding window, so that memory is bounded, too.

    The decoder adds them to its text embeddings, one to each token. It is trained on sound that begins with silence,
    which whoever opens a stream for it pushes first.
    """

    exact = True

    def __init__(self, model: VoxtralRealtimeModel, extractor: LoudnessLike) -> None:
        self._model = ready(model)
        self.front = FrontEnd.of(extractor)
        self.floor = floor_of(extractor.global_log_mel_max)
        self.frames = model.config.downsample_factor * 2
        """Of log-mel, to one embedding."""

    def open(self) -> "VoxtralStream":
        return VoxtralStream(self)

    def warm_up(self) -> None:
        warmed(self.open())

    def encode(self, features: torch.Tensor, past: "Past") -> tuple[torch.Tensor, "Past"]:
        """Embeddings of the frames that come next, and the past of what follows them; `past` is used up."""
        weight = self._model.audio_tower.embedder.conv1.weight
        output = self._model.get_audio_features(
            input_features=features[None].to(weight.device, weight.dtype),
            past_key_values=past.attended,
            padding_cache=past.convolved,
            use_cache=True,
            return_dict=True,
        )
        return output.pooler_output[0], Past(output.past_key_values, output.padding_cache)


@dataclass(frozen=True, slots=True)
class Past:
    """What the encoder remembers of the sound before: keys and values, and the last inputs of its convolutions."""

    attended: DynamicCache | None = None
    convolved: VoxtralRealtimeConv1dPaddingCache | None = None

    def fork(self) -> "Past":
        attended = fork(self.attended) if self.attended is not None else None
        return Past(attended, copy.deepcopy(self.convolved))  # the convolutions' is overwritten in place


class VoxtralStream(SoundStream):
    """One utterance."""

    def __init__(self, voxtral: Voxtral) -> None:
        super().__init__()
        self._voxtral = voxtral
        self._mel = voxtral.front.open()
        self._past = Past()
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
        """The rest of the sound, filled up with silence to a whole embedding."""
        tokens = -(-self.samples // (self._voxtral.frames * HOP)) - self._tokens
        if not tokens:
            return ()
        features = scaled(self._mel.unscaled(tokens * self._voxtral.frames), self._voxtral.floor)
        vectors, _ = self._voxtral.encode(features, self._past.fork())
        return as_embeddings(vectors, continues=bool(self._encoded))
