"""Models of transformers that hear: one folder, as published, makes the decoder and the encoder of its sound.

To add a family: write its encoder, and add its record here, by the `model_type` of its config.json.
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

from pipeline.decoders import step_audio
from pipeline.decoders.checkpoint import load_pretrained
from pipeline.decoders.decoder import DecoderError
from pipeline.decoders.torch import Torch, placed
from pipeline.encoders.encoder import Encoder
from pipeline.encoders.gemma import Gemma
from pipeline.encoders.qwen_audio import Qwen2Audio
from pipeline.encoders.qwen_omni import Qwen3Omni, Qwen25Omni

Ear = Callable[[nn.Module, Any], Encoder]
"""From the model inside the causal one, and its feature extractor."""


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one kind."""

    model: str
    """The class in transformers."""
    tags: tuple[str, str]
    """What stands before and behind a sound, as in their chat template."""
    ear: Ear


def _qwen25_omni(model: nn.Module, extractor: Any) -> Encoder:  # noqa: ANN401 - transformers gives it no type
    return Qwen25Omni(model.audio_tower, extractor)  # type: ignore[arg-type]


def _qwen3_omni(model: nn.Module, extractor: Any) -> Encoder:  # noqa: ANN401
    return Qwen3Omni(model.audio_tower, extractor)  # type: ignore[arg-type]


def _qwen2_audio(model: nn.Module, extractor: Any) -> Encoder:  # noqa: ANN401
    return Qwen2Audio(model.audio_tower, model.multi_modal_projector, extractor)  # type: ignore[arg-type]


def _gemma(model: nn.Module, extractor: Any) -> Encoder:  # noqa: ANN401
    return Gemma(model.audio_tower, model.embed_audio, extractor)  # type: ignore[arg-type]


FAMILIES: dict[str, Family] = {
    "qwen2_5_omni": Family(
        "Qwen2_5OmniThinkerForConditionalGeneration", ("<|audio_bos|>", "<|audio_eos|>"), _qwen25_omni
    ),
    "qwen3_omni_moe": Family(
        "Qwen3OmniMoeThinkerForConditionalGeneration", ("<|audio_start|>", "<|audio_end|>"), _qwen3_omni
    ),
    "qwen2_audio": Family(
        "Qwen2AudioForConditionalGeneration",
        ("Audio {number}: <|audio_bos|>", "<|audio_eos|>\n"),
        _qwen2_audio,
    ),
    "gemma4": Family("Gemma4ForConditionalGeneration", ("<|audio>", "<audio|>"), _gemma),
}

_MUTE = {
    "qwen3_asr": "it writes down what it hears, and answers nothing",
    "voxtral_realtime": "it writes down what it hears, and answers nothing",
    "voxtral": "there is no stream for its encoder",
}
"""Kinds that hear, and why they can't be the decoder."""


async def load(folder: Path, *, device: str, capacity: int, threads: int) -> Torch:
    """Load a model that reads words, or one that hears, with its ear. `device`: "auto" is a GPU if there is one.

    There, in bfloat16. Raises `DecoderError`, `CheckpointError`.
    """
    kind = kind_of(folder)
    if reason := _MUTE.get(kind):
        raise DecoderError(f"{folder} holds a {kind} model, which can't be the decoder: {reason}")
    if kind in step_audio.KINDS:
        return await step_audio.load(folder, device=device, capacity=capacity, threads=threads)
    if (family := FAMILIES.get(kind)) is not None:
        return await asyncio.to_thread(_loaded, folder, family, placed(device), capacity, threads)
    return await Torch.load(folder, device=device, capacity=capacity, threads=threads)


def kind_of(folder: Path) -> str:
    """As config.json has it. Raises `DecoderError`."""
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DecoderError(f"{folder} is no folder of a transformers model: {error!r}") from error


def _loaded(folder: Path, family: Family, place: str, capacity: int, threads: int) -> Torch:
    dtype = torch.float32 if place == "cpu" else torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise DecoderError(f"{folder} has no tokenizer.json: choose a model that has one")
    tokenizer.chat_template = tokenizer.chat_template or _template_of_the_processor(folder)
    extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)  # type: ignore[no-untyped-call]
    model = load_pretrained(getattr(transformers, family.model), folder, dtype)
    _without_sight(model)
    nn.Module.to(model, place)
    _last_only(model)
    if getattr(model.config.get_text_config(), "hidden_size_per_layer_input", 0):
        model.register_forward_pre_hook(partial(_with_padding_tokens, model), with_kwargs=True)
    decoder = Torch(model, tokenizer, capacity=capacity, threads=threads, sound_tags=family.tags)
    decoder.ear = family.ear(model.model, extractor)
    return decoder


def _template_of_the_processor(folder: Path) -> str | None:
    """Older folders keep the chat template with the processor only."""
    try:
        return str(json.loads((folder / "chat_template.json").read_text(encoding="utf-8"))["chat_template"])
    except (OSError, ValueError, KeyError):
        return None


def _without_sight(model: PreTrainedModel) -> None:
    """Nobody shows it pictures: give back the memory."""
    for name in ("visual", "vision_tower", "embed_vision"):
        if isinstance(getattr(model.model, name, None), nn.Module):
            setattr(model.model, name, None)


def _last_only(model: PreTrainedModel) -> None:
    """Of a long prompt only what follows it is asked for, and not every model can be told so."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    head.register_forward_pre_hook(lambda head, given: (given[0][:, -1:],))


def _with_padding_tokens(
    model: PreTrainedModel, called: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Gemma's layers look at the tokens once more: under a sound they see padding."""
    vectors = kwargs.get("inputs_embeds")
    if vectors is not None:
        padding = torch.full(vectors.shape[:2], model.config.get_text_config().pad_token_id, device=vectors.device)
        kwargs["per_layer_inputs"] = model.model.language_model.get_per_layer_inputs(padding)
    return args, kwargs
