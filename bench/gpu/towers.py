"""Audio encoders with random weights: their output is meaningless, their cost is real."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from transformers import (
    Gemma4AudioConfig,
    Gemma4AudioFeatureExtractor,
    Gemma4TextConfig,
    Qwen2AudioConfig,
    Qwen3ASRConfig,
    Qwen3ASRFeatureExtractor,
    VoxtralRealtimeConfig,
    VoxtralRealtimeFeatureExtractor,
    VoxtralRealtimeModel,
    WhisperFeatureExtractor,
)
from transformers.models.gemma4.modeling_gemma4 import Gemma4AudioModel, Gemma4MultimodalEmbedder
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniAudioEncoderConfig
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniAudioEncoder
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioModel
from transformers.models.qwen3_asr.modeling_qwen3_asr import Qwen3ASRModel
from transformers.models.qwen3_omni_moe.configuration_qwen3_omni_moe import Qwen3OmniMoeAudioEncoderConfig
from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import Qwen3OmniMoeAudioEncoder

from pipeline.encoders.embedding.gemma import StreamingGemma
from pipeline.encoders.embedding.qwen_audio import StepAdaptor, StreamingQwen2Audio, StreamingStepAudio
from pipeline.encoders.embedding.qwen_omni import StreamingQwen3Asr, StreamingQwen3Omni, StreamingQwen25Omni
from pipeline.encoders.embedding.voxtral import StreamingVoxtral
from pipeline.encoders.encoder import Encoder

T = TypeVar("T")

Size = Literal["small", "real"]
"""Sizes of a layer: the published ones, or tiny ones."""

_TEXT: Mapping[str, Any] = {
    "vocab_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
}
"""Of the decoder that belongs to an encoder, only the width matters here."""


def qwen25_omni(size: Size, layers: int) -> Encoder:
    config = Qwen2_5OmniAudioEncoderConfig(**_whisper_like(size), encoder_layers=layers, output_dim=3584)
    return StreamingQwen25Omni(Qwen2_5OmniAudioEncoder(config), _made(WhisperFeatureExtractor, feature_size=128))


def qwen3_omni(size: Size, layers: int) -> Encoder:
    config = Qwen3OmniMoeAudioEncoderConfig(
        **_whisper_like(size), **_convolutions(size), encoder_layers=layers, output_dim=2048
    )
    return StreamingQwen3Omni(Qwen3OmniMoeAudioEncoder(config), _made(WhisperFeatureExtractor, feature_size=128))


def qwen3_asr(size: Size, layers: int) -> Encoder:
    audio = {**_whisper_like(size, width=1024), **_convolutions(size), "encoder_layers": layers}
    model = Qwen3ASRModel(Qwen3ASRConfig(audio_config=audio, text_config={**_TEXT, "hidden_size": 2048}))
    return StreamingQwen3Asr(model.audio_tower, model.multi_modal_projector, _made(Qwen3ASRFeatureExtractor))


def voxtral(size: Size, layers: int) -> Encoder:
    audio: dict[str, Any] = {"num_hidden_layers": layers}
    if size == "small":
        audio |= {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 256, "head_dim": 16}
    text = {**_TEXT, "hidden_size": 3072, "head_dim": 384}
    model = VoxtralRealtimeModel(VoxtralRealtimeConfig(audio_config=audio, text_config=text))
    return StreamingVoxtral(model, _made(VoxtralRealtimeFeatureExtractor))


def gemma(size: Size, layers: int) -> Encoder:
    widths: dict[str, Any] = {"hidden_size": 64, "num_attention_heads": 4} if size == "small" else {}
    audio = Gemma4AudioConfig(**widths, num_hidden_layers=layers)
    embedder = Gemma4MultimodalEmbedder(
        audio, Gemma4TextConfig(**_TEXT, hidden_size=2304, layer_types=["full_attention"])
    )
    return StreamingGemma(Gemma4AudioModel(audio), embedder, _made(Gemma4AudioFeatureExtractor))


def qwen2_audio(size: Size, layers: int) -> Encoder:
    model = _qwen2_audio(size, layers)
    extractor = _made(WhisperFeatureExtractor, feature_size=128)
    return StreamingQwen2Audio(model.audio_tower, model.multi_modal_projector, extractor)


def step_audio(size: Size, layers: int) -> Encoder:
    tower = _qwen2_audio(size, layers).audio_tower
    adaptor = StepAdaptor(tower.config.d_model, output=5120)
    return StreamingStepAudio(tower, adaptor, _made(WhisperFeatureExtractor, feature_size=128))


FAMILIES: dict[str, Callable[[Size, int], Encoder]] = {
    "qwen2.5-omni": qwen25_omni,
    "qwen3-omni": qwen3_omni,
    "qwen3-asr": qwen3_asr,
    "voxtral": voxtral,
    "gemma": gemma,
    "qwen2-audio": qwen2_audio,
    "step-audio": step_audio,
}
LAYERS = {
    "qwen2.5-omni": 32,
    "qwen3-omni": 32,
    "qwen3-asr": 24,
    "voxtral": 32,
    "gemma": 12,
    "qwen2-audio": 32,
    "step-audio": 32,
}
"""Number of layers in the published models."""


def _whisper_like(size: Size, width: int = 1280) -> dict[str, Any]:
    """Configuration of a layer with Whisper's shape."""
    width = 64 if size == "small" else width
    return {"d_model": width, "encoder_attention_heads": max(width // 64, 4), "encoder_ffn_dim": 4 * width}


def _convolutions(size: Size) -> dict[str, Any]:
    """Convolutions before Qwen3's layers, and the windows into which it cuts the audio."""
    return {"n_window": 50, "n_window_infer": 800, "downsample_hidden_size": 16 if size == "small" else 480}


def _qwen2_audio(size: Size, layers: int) -> Qwen2AudioModel:
    audio = {**_whisper_like(size), "encoder_layers": layers}
    text = {**_TEXT, "hidden_size": 4096}
    return Qwen2AudioModel(Qwen2AudioConfig(audio_config=audio, text_config=text))


def _made(kind: Callable[..., T], **parameters: object) -> T:
    """An encoder from transformers' untyped classes."""
    return kind(**parameters)
