"""A model that hears, before its training: SmolLM2 in Step-Audio's decoder, and a small encoder that knows nothing."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.whisper.modeling_whisper import sinusoids

from pipeline.decoders.torch_models.step_audio import AUDIO_TAGS, END, StepAudioConfig, StepAudioModules

ENCODER: Mapping[str, Any] = {
    "n_mels": 128,
    "n_audio_ctx": 1500,
    "n_audio_state": 128,
    "n_audio_head": 4,
    "n_audio_layer": 2,
}
"""Sizes of the encoder, of 0.7 million parameters. Its log-mel input has pitch and loudness as the sound has them."""
CONTROL: Mapping[str, str] = {
    "<|BOT|>": "<|im_start|>",
    END: "<|im_end|>",
    AUDIO_TAGS[0]: "sound begins",
    AUDIO_TAGS[1]: "sound ends",
    "<audio_patch>": "sound",
    "<think>": "thinking",
    "</think>": "answer",
}
"""Tokens that Step-Audio's chat template needs and SmolLM2 has not, each with words that it begins as the mean of."""

_LAYER = re.compile(r"model\.layers\.(\d+)(.*)")


@torch.no_grad()
def build(gguf: Path, layers: int | None = None) -> tuple[StepAudioModules, PreTrainedTokenizerFast]:
    """The modules around a Llama model in GGUF, dequantized, and its tokenizer with Step-Audio's control tokens.

    Qwen2's layers are Llama's with biases on query, key and value: with zeros there, the text model is the same.
    `layers`: how many are kept, of which the last third are the model's last; None: all. With fewer, training costs
    less, and the text model forgets most of what it knew.
    """
    folder, name = str(gguf.parent), gguf.name
    llama = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    meanings = [tokenizer.encode(words, add_special_tokens=False) for words in CONTROL.values()]
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [AddedToken(token, special=True, normalized=False) for token in CONTROL]}
    )
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    kept = _kept(llama.config.num_hidden_layers, layers)
    sizes = text_sizes(llama.config, len(tokenizer)) | {"num_hidden_layers": len(kept)}
    modules = StepAudioModules(StepAudioConfig.of(sizes, ENCODER))
    with_sinusoids(modules)
    weights = llama.state_dict()
    rows = len(weights["model.embed_tokens.weight"])
    weights["lm_head.weight"] = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    own = modules.decoder.state_dict()
    for key, tensor in own.items():
        if key.endswith(("embed_tokens.weight", "lm_head.weight")):
            tensor[:rows] = weights[key]
            tensor[rows:] = torch.stack([weights[key][ids].mean(0) for ids in meanings])
        elif key.endswith("_proj.bias"):
            tensor.zero_()
        else:
            layer = _LAYER.match(key)
            tensor.copy_(weights[f"model.layers.{kept[int(layer[1])]}{layer[2]}" if layer else key])
    return modules, tokenizer


@torch.no_grad()
def with_sinusoids(modules: StepAudioModules) -> StepAudioModules:
    """`modules` with the positions that Whisper's encoder begins with."""
    positions = modules.tower.embed_positions.weight
    positions.copy_(sinusoids(*positions.shape))
    return modules


def _kept(every: int, layers: int | None) -> list[int]:
    if layers is None:
        return list(range(every))
    last = layers // 3
    return [*range(layers - last), *range(every - last, every)]


def text_sizes(config: Any, vocabulary: int) -> dict[str, Any]:  # noqa: ANN401 - untyped in transformers
    """The table `text_config` of Step-Audio's config.json for a Llama model and so many tokens."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "max_position_embeddings": config.max_position_embeddings,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_parameters["rope_theta"],
    }
