"""Small language models of random weights, and a tokenizer of bytes, built on the spot."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from pipeline.decoders.thought_formats import ThoughtFormat
from pipeline.decoders.torch_models.transformers_lm import TransformersDecoder
from tests.support.towers import made

CONTROL = ("<|im_start|>", "<|im_end|>", "<|sound|>", "<|/sound|>")
AUDIO_TAGS = ("<|sound|>", "<|/sound|>")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
VOCABULARY = len(BYTES) + len(CONTROL)
WIDTH = 32
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def tokenizer(template: str | None = CHATML, control: Sequence[str] = CONTROL) -> PreTrainedTokenizerFast:
    """Every byte a token, and a few control tokens."""
    backend = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(BYTES)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return made(
        PreTrainedTokenizerFast,
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        additional_special_tokens=list(control),
        chat_template=template,
    )


@asynccontextmanager
async def transformers_decoder(
    model: PreTrainedModel | None = None,
    capacity: int = 1000,
    template: str = CHATML,
    thoughts: ThoughtFormat | None = None,
) -> AsyncIterator[TransformersDecoder]:
    decoder = TransformersDecoder(
        model or qwen(),
        tokenizer(template),
        capacity=capacity,
        threads=1,
        audio_tags=AUDIO_TAGS,
        thoughts=thoughts,
    )
    try:
        yield decoder
    finally:
        await decoder.close()


@lru_cache
def qwen() -> PreTrainedModel:
    """Full attention."""
    torch.manual_seed(0)
    return lively(
        Qwen2ForCausalLM(
            Qwen2Config(
                **SIZES,
                num_hidden_layers=3,
            )
        )
    )


@lru_cache
def gemma() -> PreTrainedModel:
    """Layers with a window of 8 positions between layers without."""
    torch.manual_seed(0)
    return lively(
        Gemma3ForCausalLM(
            Gemma3TextConfig(
                **SIZES,
                num_hidden_layers=4,
                head_dim=8,
                sliding_window=8,
                layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
            )
        )
    )


EXACT = 128
"""Tokens up to which `phi` and `llama` make the keys of what they were trained on."""


@lru_cache
def phi() -> PreTrainedModel:
    """Positions by other factors in a longer context: longrope."""
    torch.manual_seed(0)
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    config = Phi3Config(
        **SIZES,
        num_hidden_layers=2,
        max_position_embeddings=4096,
        original_max_position_embeddings=EXACT,
        rope_parameters=rope,
        pad_token_id=0,
    )
    return lively(Phi3ForCausalLM(config))


@lru_cache
def llama() -> PreTrainedModel:
    """Positions by a base that grows with the context: dynamic NTK."""
    torch.manual_seed(0)
    config = LlamaConfig(
        **SIZES,
        num_hidden_layers=2,
        max_position_embeddings=EXACT,
        rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
    )
    return lively(LlamaForCausalLM(config))


def lively(model: PreTrainedModel) -> PreTrainedModel:
    """Weights so large that each token leaves its trace in the logits: those of a fresh model hardly differ."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data *= 10
        parameter.requires_grad_(False)
    model.train(False)
    return model
