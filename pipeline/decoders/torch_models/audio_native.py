"""Audio-native models of transformers: one folder, as published, gives the decoder and its audio encoder.

To add a family, write its encoder and add its record here, under the `model_type` of its config.json.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import AutoFeatureExtractor, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from pipeline.decoders.decoder import DecoderError
from pipeline.decoders.thought_formats import ThoughtFormat
from pipeline.decoders.torch_models import step_audio
from pipeline.decoders.torch_models.checkpoint import load_pretrained
from pipeline.decoders.torch_models.transformers_lm import TransformersDecoder, torch_device
from pipeline.encoders.embedding.gemma import StreamingGemma
from pipeline.encoders.embedding.qwen_audio import StreamingQwen2Audio
from pipeline.encoders.embedding.qwen_omni import StreamingQwen3Omni, StreamingQwen25Omni
from pipeline.encoders.encoder import Encoder

EncoderFactory = Callable[[nn.Module, Any], Encoder]
"""Makes the encoder, from the model inside the causal one and its feature extractor."""


@dataclass(frozen=True, slots=True)
class AudioModelFamily:
    """One family of audio-native models: how its parts are found."""

    model: str
    """Name of the class in transformers."""
    tags: tuple[str, str]
    """Text before and after a recording, as in the family's chat template."""
    audio_encoder: EncoderFactory


def _qwen25_omni(model: nn.Module, extractor: Any) -> Encoder:  # noqa: ANN401 - untyped in transformers
    return StreamingQwen25Omni(model.audio_tower, extractor)  # type: ignore[arg-type]


def _qwen3_omni(model: nn.Module, extractor: Any) -> Encoder:  # noqa: ANN401
    return StreamingQwen3Omni(model.audio_tower, extractor)  # type: ignore[arg-type]


def _qwen2_audio(model: nn.Module, extractor: Any) -> Encoder:  # noqa: ANN401
    return StreamingQwen2Audio(model.audio_tower, model.multi_modal_projector, extractor)  # type: ignore[arg-type]


def _gemma(model: nn.Module, extractor: Any) -> Encoder:  # noqa: ANN401
    return StreamingGemma(model.audio_tower, model.embed_audio, extractor)  # type: ignore[arg-type]


FAMILIES: dict[str, AudioModelFamily] = {
    "qwen2_5_omni": AudioModelFamily(
        "Qwen2_5OmniThinkerForConditionalGeneration", ("<|audio_bos|>", "<|audio_eos|>"), _qwen25_omni
    ),
    "qwen3_omni_moe": AudioModelFamily(
        "Qwen3OmniMoeThinkerForConditionalGeneration", ("<|audio_start|>", "<|audio_end|>"), _qwen3_omni
    ),
    "qwen2_audio": AudioModelFamily(
        "Qwen2AudioForConditionalGeneration",
        ("Audio {number}: <|audio_bos|>", "<|audio_eos|>\n"),
        _qwen2_audio,
    ),
    "gemma4": AudioModelFamily("Gemma4ForConditionalGeneration", ("<|audio>", "<audio|>"), _gemma),
}

_MUTE = {
    "qwen3_asr": "it transcribes speech and does not answer",
    "voxtral_realtime": "it transcribes speech and does not answer",
    "voxtral": "there is no stream for its encoder",
}
"""Audio models that can't be the decoder, each with the reason."""


async def load(
    folder: Path, *, device: str, capacity: int, threads: int, thoughts: ThoughtFormat | None = None
) -> TransformersDecoder:
    """Load a model that reads text, or one that reads audio together with its encoder.

    `device`: a torch device; "auto" is a GPU if there is one. On a GPU in bfloat16, else in float32. `thoughts`: None:
    as the model has it. Raises `DecoderError`, `CheckpointError`.
    """
    kind = kind_of(folder)
    if reason := _MUTE.get(kind):
        raise DecoderError(f"{folder} holds a {kind} model, which can't be the decoder: {reason}")
    if kind in step_audio.KINDS:
        return await step_audio.load(folder, device=device, capacity=capacity, threads=threads, thoughts=thoughts)
    if (family := FAMILIES.get(kind)) is not None:
        return await asyncio.to_thread(_loaded, folder, family, torch_device(device), capacity, threads, thoughts)
    return await TransformersDecoder.load(folder, device=device, capacity=capacity, threads=threads, thoughts=thoughts)


def kind_of(folder: Path) -> str:
    """The `model_type` in config.json. Raises `DecoderError` if there is none."""
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DecoderError(f"{folder} is not the folder of a transformers model: {error!r}") from error


def _loaded(
    folder: Path,
    family: AudioModelFamily,
    target: str,
    capacity: int,
    threads: int,
    thoughts: ThoughtFormat | None,
) -> TransformersDecoder:
    dtype = torch.float32 if target == "cpu" else torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise DecoderError(f"{folder} has no tokenizer.json: choose a model that has one")
    tokenizer.chat_template = tokenizer.chat_template or _template_of_the_processor(folder)
    extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)  # type: ignore[no-untyped-call]
    model = load_pretrained(getattr(transformers, family.model), folder, dtype)
    _without_sight(model)
    nn.Module.to(model, target)
    _last_only(model)
    if getattr(model.config.get_text_config(), "hidden_size_per_layer_input", 0):
        model.register_forward_pre_hook(partial(_with_padding_tokens, model), with_kwargs=True)
    return TransformersDecoder(
        model,
        tokenizer,
        capacity=capacity,
        threads=threads,
        audio_tags=family.tags,
        thoughts=thoughts,
        audio_encoder=family.audio_encoder(model.model, extractor),
    )


def _template_of_the_processor(folder: Path) -> str | None:
    """The processor's chat template: older folders have no other."""
    try:
        return str(json.loads((folder / "chat_template.json").read_text(encoding="utf-8"))["chat_template"])
    except (OSError, ValueError, KeyError):
        return None


def _without_sight(model: PreTrainedModel) -> None:
    """Drop the vision encoder, which is never used, and free its memory."""
    for name in ("visual", "vision_tower", "embed_vision"):
        if isinstance(getattr(model.model, name, None), nn.Module):
            setattr(model.model, name, None)


def _last_only(model: PreTrainedModel) -> None:
    """Compute logits for the last position only, which not every model can be asked to do."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    head.register_forward_pre_hook(lambda head, given: (given[0][:, -1:],))


def _with_padding_tokens(
    model: PreTrainedModel, called: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give Gemma's layers, which read the tokens once more, padding tokens where there are embeddings."""
    vectors = kwargs.get("inputs_embeds")
    if vectors is not None:
        padding = torch.full(vectors.shape[:2], model.config.get_text_config().pad_token_id, device=vectors.device)
        kwargs["per_layer_inputs"] = model.model.language_model.get_per_layer_inputs(padding)
    return args, kwargs
