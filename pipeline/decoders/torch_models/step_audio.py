"""Step-Audio-R1 in this process, as published: encoder, adaptor and decoder of transformers' modules.

Sources: https://github.com/stepfun-ai/Step-Audio-R1 and https://github.com/stepfun-ai/Step-Audio2 (Apache-2.0), and
vllm-omni for the names of the weights. The encoder is Qwen2-Audio's under other names.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2AudioEncoder,
    Qwen2AudioEncoderConfig,
    Qwen2Config,
    Qwen2ForCausalLM,
    WhisperFeatureExtractor,
)
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from pipeline.decoders.thought_formats import STEP_AUDIO_R1, ThoughtFormat
from pipeline.decoders.torch_models.checkpoint import CheckpointError, load_weights
from pipeline.decoders.torch_models.transformers_lm import TransformersDecoder, torch_device
from pipeline.encoders.embedding.qwen_audio import StepAdaptor, StreamingStepAudio

KINDS = ("step_audio_2", "step_audio_qwen2")
"""The `model_type` of Step-Audio 2 and R1 in config.json."""
TEMPLATE = Path(__file__).with_name("step_audio.jinja")
AUDIO_TAGS = ("<audio_start>", "<audio_end>")
END = "<|EOT|>"

TEXT: Mapping[str, Any] = {
    "vocab_size": 158_720,
    "hidden_size": 5120,
    "intermediate_size": 27_648,
    "num_hidden_layers": 64,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "max_position_embeddings": 65_536,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
}
"""Sizes of Step-Audio-R1's decoder: Qwen2.5-32B with more tokens, 33 billion parameters."""
AUDIO: Mapping[str, Any] = {
    "n_mels": 128,
    "n_audio_ctx": 1500,
    "n_audio_state": 1280,
    "n_audio_head": 20,
    "n_audio_layer": 32,
}
"""Sizes of Step-Audio-R1's encoder."""
_OPTIONAL = ("max_position_embeddings", "rms_norm_eps", "rope_theta")
"""Sizes that a config may leave out."""


@dataclass(frozen=True, slots=True)
class StepAudioConfig:
    """The configs of decoder and encoder; the adaptor's sizes follow from them."""

    text: Qwen2Config
    audio: Qwen2AudioEncoderConfig

    @classmethod
    def of(cls, text: Mapping[str, Any] = TEXT, audio: Mapping[str, Any] = AUDIO) -> Self:
        """The configs for the tables of the published config.json."""
        sizes = {key: text[key] for key in TEXT if key != "rope_theta"}
        rope = {"rope_type": "default", "rope_theta": text["rope_theta"]}
        return cls(
            Qwen2Config(**sizes, rope_parameters=rope, tie_word_embeddings=False),
            Qwen2AudioEncoderConfig(
                num_mel_bins=audio["n_mels"],
                max_source_positions=audio["n_audio_ctx"],
                d_model=audio["n_audio_state"],
                encoder_attention_heads=audio["n_audio_head"],
                encoder_layers=audio["n_audio_layer"],
                encoder_ffn_dim=4 * audio["n_audio_state"],
            ),
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The configs in a folder's config.json, with the decoder's sizes in a table of their own or at the top level.

        Raises `CheckpointError` for another kind of model or a variant that is not supported.
        """
        file = folder / "config.json"
        config = json.loads(file.read_text(encoding="utf-8"))
        if (kind := config.get("model_type")) not in KINDS:
            raise CheckpointError(f"{folder} holds a {kind} model, not Step-Audio ({' or '.join(KINDS)})")
        audio = config["audio_encoder_config"]
        text = {key: TEXT[key] for key in _OPTIONAL} | (config.get("text_config") or config)
        for table, key, known in (
            (audio, "kernel_size", 3),
            (audio, "adapter_stride", 2),
            (text, "rope_scaling", None),
            (text, "hidden_act", "silu"),
            (text, "use_sliding_window", False),
            (text, "tie_word_embeddings", False),
        ):
            if table.get(key, known) != known:
                raise CheckpointError(f"{file} has {key} {table[key]}; only {known} is supported")
        return cls.of(text, audio)


class StepAudioModules(nn.Module):
    """Encoder, adaptor and decoder as one module."""

    def __init__(self, config: StepAudioConfig) -> None:
        super().__init__()
        self.tower = Qwen2AudioEncoder(config.audio)
        self.adaptor = StepAdaptor(config.audio.d_model, config.text.hidden_size)
        self.decoder = Qwen2ForCausalLM(config.text)

    @classmethod
    def empty(cls, config: StepAudioConfig, device: torch.device) -> Self:
        """The modules with parameters on the meta device, to be assigned; everything else is on `device`."""
        with torch.device("meta"):
            modules = cls(config)
        # Its buffers are computed, not loaded: on the meta device they would keep no values.
        with device:
            modules.decoder.model.rotary_emb = Qwen2RotaryEmbedding(config.text)
        return modules

    def audio_encoder(self) -> StreamingStepAudio:
        """The streaming encoder of these modules."""
        extractor = WhisperFeatureExtractor(feature_size=self.tower.num_mel_bins)  # type: ignore[no-untyped-call]
        return StreamingStepAudio(self.tower, self.adaptor, extractor)


async def load(
    folder: Path, *, device: str, capacity: int, threads: int, thoughts: ThoughtFormat | None = None
) -> TransformersDecoder:
    """Load the decoder together with its audio encoder.

    `device`: a torch device; "auto" is a GPU if there is one. On a GPU in bfloat16, else in float32. `thoughts`: None:
    Step-Audio-R1's own format. Raises `CheckpointError`.
    """
    return await asyncio.to_thread(_loaded, folder, torch.device(torch_device(device)), capacity, threads, thoughts)


def _loaded(
    folder: Path, device: torch.device, capacity: int, threads: int, thoughts: ThoughtFormat | None
) -> TransformersDecoder:
    modules = _empty(folder, device)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    names = {own: published_name(own) for own, _ in modules.named_parameters()}
    tokenizer = read_tokenizer(folder)
    load_weights(folder, modules, names, device, dtype)
    return assembled(modules, tokenizer, capacity=capacity, threads=threads, thoughts=thoughts)


def _empty(folder: Path, device: torch.device) -> StepAudioModules:
    """Modules of the sizes in config.json. Raises `CheckpointError`."""
    try:
        return StepAudioModules.empty(StepAudioConfig.read(folder), device)
    except CheckpointError:
        raise
    except Exception as error:  # transformers checks sizes in many places, and raises anything
        raise CheckpointError(f"{folder / 'config.json'} is not a config of Step-Audio: {error!r}") from error


def assembled(
    modules: StepAudioModules,
    tokenizer: PreTrainedTokenizerFast,
    *,
    capacity: int,
    threads: int,
    thoughts: ThoughtFormat | None = None,
) -> TransformersDecoder:
    """The decoder made of loaded `modules`, with the published chat template and thought format."""
    modules.decoder.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(END)
    return TransformersDecoder(
        modules.decoder,
        tokenizer,
        capacity=capacity,
        threads=threads,
        audio_tags=AUDIO_TAGS,
        thoughts=thoughts or STEP_AUDIO_R1,
        audio_encoder=modules.audio_encoder(),
    )


def read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer with the published chat template. Raises `CheckpointError`."""
    file = folder / "tokenizer.json"
    if not file.exists():
        raise CheckpointError(f"{folder} has no tokenizer.json: download it again")
    template = TEMPLATE.read_text(encoding="utf-8")
    try:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file), eos_token=END, chat_template=template)  # type: ignore[no-untyped-call]
    except Exception as error:  # the library raises nothing narrower
        raise CheckpointError(f"{file} can't be read: {error}") from error
    known = tokenizer.get_vocab()
    if missing := [token for token in (*AUDIO_TAGS, "<|BOT|>", END) if token not in known]:
        raise CheckpointError(f"{file} is not Step-Audio's: it has no {', '.join(missing)}")
    return tokenizer


_PARTS = {"tower.": "encoder.", "adaptor.": "adapter.", "decoder.": ""}
_ENCODER = (
    ("embed_positions.", "positional_embedding."),
    ("self_attn.q_proj.", "attn.query."),
    ("self_attn.k_proj.", "attn.key."),
    ("self_attn.v_proj.", "attn.value."),
    ("self_attn.out_proj.", "attn.out."),
    ("self_attn_layer_norm.", "attn_ln."),
    ("final_layer_norm.", "mlp_ln."),
    ("fc1.", "mlp.0."),
    ("fc2.", "mlp.2."),
    ("encoder.layers.", "encoder.blocks."),
    ("encoder.layer_norm.", "encoder.after_norm."),
)


def published_name(own: str) -> str:
    """The checkpoint's name of a parameter of `StepAudioModules`."""
    part = next(part for part in _PARTS if own.startswith(part))
    name = _PARTS[part] + own.removeprefix(part)
    if part == "tower.":
        for ours, published in _ENCODER:
            name = name.replace(ours, published)
    return name
