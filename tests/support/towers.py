"""Small audio models of random weights, each with its own way of encoding a whole sound in one piece."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import (
    Gemma4AudioConfig,
    Gemma4AudioFeatureExtractor,
    Gemma4TextConfig,
    Qwen2AudioConfig,
    Qwen3ASRConfig,
    Qwen3ASRFeatureExtractor,
    VoxtralRealtimeConfig,
    VoxtralRealtimeFeatureExtractor,
    WhisperFeatureExtractor,
)
from transformers.models.gemma4.modeling_gemma4 import Gemma4AudioModel, Gemma4MultimodalEmbedder
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniAudioEncoderConfig
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniAudioEncoder
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioModel
from transformers.models.qwen3_asr.modeling_qwen3_asr import Qwen3ASRModel
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import Qwen3OmniMoeAudioEncoderConfig
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import Qwen3OmniMoeAudioEncoder
from transformers.models.voxtral_realtime.modeling_voxtral_realtime import VoxtralRealtimeModel

from audio.pcm import Pcm
from pipeline.encoders.embedding.gemma import StreamingGemma
from pipeline.encoders.embedding.qwen_audio import STEP_PADDING, StepAdaptor, StreamingQwen2Audio, StreamingStepAudio
from pipeline.encoders.embedding.qwen_omni import StreamingQwen3Asr, StreamingQwen3Omni, StreamingQwen25Omni
from pipeline.encoders.embedding.voxtral import StreamingVoxtral
from pipeline.encoders.encoder import Encoder

RATE = 16_000
TEXT: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}

T = TypeVar("T")

OneShot = Callable[[Pcm], torch.Tensor]


@dataclass(frozen=True)
class Family:
    """`one_shot` is transformers' own forward pass over the whole sound, as the model's processor prepares it."""

    encoder: Encoder
    one_shot: OneShot


def made(kind: Callable[..., T], **parameters: object) -> T:
    """What transformers' classes without type information make."""
    return kind(**parameters)


def randomized(module: nn.Module, seed: int = 0) -> None:
    """Weights that make outputs of about 1: those of a fresh model hardly leave a trace of their input."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.3
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread + (parameter.dim() == 1)
    module.requires_grad_(False)


def qwen25_omni() -> Family:
    config = Qwen2_5OmniAudioEncoderConfig(
        d_model=32, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=64, output_dim=24
    )
    tower = Qwen2_5OmniAudioEncoder(config)
    randomized(tower)
    extractor = made(WhisperFeatureExtractor, feature_size=128)

    def one_shot(pcm: Pcm) -> torch.Tensor:
        seen = extractor(pcm, sampling_rate=RATE, return_attention_mask=True, return_tensors="pt")
        features = seen.input_features[0][:, seen.attention_mask[0].bool()]
        output: torch.Tensor = tower(features, feature_lens=seen.attention_mask.sum(-1)).last_hidden_state
        return output

    return Family(StreamingQwen25Omni(tower, extractor), one_shot)


def qwen3_omni(n_window_infer: int = 200) -> Family:
    config = Qwen3OmniMoeAudioEncoderConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=64,
        output_dim=24,
        downsample_hidden_size=8,
        n_window=50,
        n_window_infer=n_window_infer,
    )
    tower = Qwen3OmniMoeAudioEncoder(config)
    randomized(tower)
    extractor = made(WhisperFeatureExtractor, feature_size=128)

    def one_shot(pcm: Pcm) -> torch.Tensor:
        seen = extractor(
            pcm,
            sampling_rate=RATE,
            padding="longest",
            truncation=False,
            return_attention_mask=True,
            return_tensors="pt",
        )
        features = seen.input_features[0][:, seen.attention_mask[0].bool()]
        output: torch.Tensor = tower(features, feature_lens=seen.attention_mask.sum(-1)).last_hidden_state
        return output

    return Family(StreamingQwen3Omni(tower, extractor), one_shot)


def qwen3_asr(n_window_infer: int = 200) -> Family:
    audio = {
        "d_model": 32,
        "encoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 64,
        "output_dim": 24,
        "downsample_hidden_size": 8,
        "n_window": 50,
        "n_window_infer": n_window_infer,
    }
    model = Qwen3ASRModel(Qwen3ASRConfig(audio_config=audio, text_config=TEXT))
    randomized(model)
    extractor = made(Qwen3ASRFeatureExtractor)

    def one_shot(pcm: Pcm) -> torch.Tensor:
        seen = extractor(pcm, sampling_rate=RATE, padding="longest", return_attention_mask=True)
        output: torch.Tensor = model.get_audio_features(seen.input_features, seen.attention_mask).pooler_output
        return output

    return Family(StreamingQwen3Asr(model.audio_tower, model.multi_modal_projector, extractor), one_shot)


def voxtral(sliding_window: int = 20) -> Family:
    audio = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "head_dim": 8,
        "sliding_window": sliding_window,
    }
    model = VoxtralRealtimeModel(VoxtralRealtimeConfig(audio_config=audio, text_config={**TEXT, "head_dim": 12}))
    randomized(model)
    extractor = made(VoxtralRealtimeFeatureExtractor)

    def one_shot(pcm: Pcm) -> torch.Tensor:
        # Its processor appends whole tokens of silence to the audio; their output is left out here.
        tokens = -(-len(pcm) // 1280)
        padded = np.pad(pcm, (0, (tokens + 1) * 1280 - len(pcm)))
        features = extractor(padded, sampling_rate=RATE).input_features
        output: torch.Tensor = model.get_audio_features(features, use_cache=False, return_dict=True).pooler_output
        return output[0, :tokens]

    return Family(StreamingVoxtral(model, extractor), one_shot)


def gemma() -> Family:
    audio = Gemma4AudioConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        output_proj_dims=40,
        subsampling_conv_channels=[8, 4],
    )
    audio._attn_implementation = "eager"
    tower = Gemma4AudioModel(audio)
    # The projection after the convolutions counts a quarter of the channels for the bins, of which there are 128.
    tower.subsample_conv_projection.input_proj_linear = nn.Linear(4 * 128 // 4, 32, bias=False)
    embedder = Gemma4MultimodalEmbedder(audio, Gemma4TextConfig(**TEXT))
    randomized(tower)
    randomized(embedder)
    extractor = made(Gemma4AudioFeatureExtractor)

    def one_shot(pcm: Pcm) -> torch.Tensor:
        seen = extractor([pcm], truncation=False, return_tensors="pt")
        output = tower(seen.input_features, seen.input_features_mask)
        vectors: torch.Tensor = embedder(output.last_hidden_state)[output.attention_mask]
        return vectors

    return Family(StreamingGemma(tower, embedder, extractor), one_shot)


def _qwen2_audio_model(positions: int) -> Qwen2AudioModel:
    audio = {
        "d_model": 32,
        "encoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 64,
        "max_source_positions": positions,
    }
    model = Qwen2AudioModel(Qwen2AudioConfig(audio_config=audio, text_config=TEXT))
    randomized(model)
    return model


def qwen2_audio(seconds: int = 30) -> Family:
    model = _qwen2_audio_model(50 * seconds)
    extractor = made(WhisperFeatureExtractor, feature_size=128, chunk_length=seconds)

    def one_shot(pcm: Pcm) -> torch.Tensor:
        seen = extractor(pcm, sampling_rate=RATE, return_attention_mask=True, return_tensors="pt")
        positions, tokens = model.audio_tower._get_feat_extract_output_lengths(seen.attention_mask.sum(-1))
        mask = torch.zeros(1, 1, 1, 50 * seconds)
        mask[..., int(positions) :] = torch.finfo(torch.float32).min
        output = model.audio_tower(seen.input_features, attention_mask=mask).last_hidden_state
        vectors: torch.Tensor = model.multi_modal_projector(output)[0, : int(tokens)]
        return vectors

    return Family(StreamingQwen2Audio(model.audio_tower, model.multi_modal_projector, extractor), one_shot)


def step_audio(seconds: int = 30) -> Family:
    tower = _qwen2_audio_model(50 * seconds).audio_tower
    adaptor = StepAdaptor(32, 24, hidden=40)
    randomized(adaptor)
    extractor = made(WhisperFeatureExtractor, feature_size=128)

    def one_shot(pcm: Pcm) -> torch.Tensor:
        """transformers' forward takes the full length only: what follows the audio is masked, and cut off."""
        features = extractor(
            np.pad(pcm, (0, STEP_PADDING)),
            sampling_rate=RATE,
            padding="do_not_pad",
            truncation=False,
            return_tensors="pt",
        ).input_features
        frames = features.shape[2]
        behind = torch.arange(frames, 100 * seconds)
        positions = -(-frames // 2)
        padded = functional.pad(features, (0, 100 * seconds - frames))
        mask = torch.zeros(1, 1, 1, 50 * seconds)
        mask[..., positions:] = torch.finfo(torch.float32).min
        with tower.conv1.register_forward_hook(lambda conv, given, made: made.index_fill(2, behind, 0)):
            output = tower(padded, attention_mask=mask).last_hidden_state[0, : positions // 2]
        vectors: torch.Tensor = adaptor(output)
        return vectors

    return Family(StreamingStepAudio(tower, adaptor, extractor), one_shot)
