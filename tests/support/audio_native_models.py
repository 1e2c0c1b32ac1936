"""Small audio-native models of random weights, in folders as their makers publish them.

They generate random bytes, or random ones of the given words where the output is to be spoken.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from transformers import (
    Gemma4AudioFeatureExtractor,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2_5OmniConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen3OmniMoeConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    SequenceFeatureExtractor,
    WhisperFeatureExtractor,
)

from tests.support.small_models import CONTROL, tokenizer
from tests.support.towers import made, randomized

AUDIO: dict[str, Any] = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64}
TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
VISION: dict[str, Any] = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2}


def qwen25_omni(folder: Path, speaks: Sequence[str] = ()) -> PreTrainedModel:
    vocabulary = _words(folder, ("<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>"), speaks)
    config = Qwen2_5OmniConfig(
        thinker_config={
            "audio_config": {**AUDIO, "output_dim": 32},
            "text_config": {
                **TEXT,
                "vocab_size": len(vocabulary),
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
            },
            "vision_config": {**VISION, "out_hidden_size": 32},
            "audio_token_id": vocabulary["<|AUDIO|>"],
            "tie_word_embeddings": False,
        }
    )
    model = made(Qwen2_5OmniThinkerForConditionalGeneration, config=config.thinker_config)
    return _published(
        folder,
        config,
        model,
        made(WhisperFeatureExtractor, feature_size=128),
        _ids(vocabulary, speaks),
        under="thinker.",
    )


def qwen3_omni(folder: Path, speaks: Sequence[str] = ()) -> PreTrainedModel:
    vocabulary = _words(folder, ("<|audio_start|>", "<|audio_end|>", "<|audio_pad|>"), speaks)
    config = Qwen3OmniMoeConfig(
        thinker_config={
            "audio_config": {
                **AUDIO,
                "output_dim": 32,
                "downsample_hidden_size": 8,
                "n_window": 50,
                "n_window_infer": 200,
            },
            "text_config": {
                **TEXT,
                "vocab_size": len(vocabulary),
                "num_experts": 4,
                "num_experts_per_tok": 2,
                "moe_intermediate_size": 16,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 1e4,
                    "mrope_section": [1, 1, 2],
                    "mrope_interleaved": True,
                },
            },
            "vision_config": {**VISION, "out_hidden_size": 32, "deepstack_visual_indexes": [0]},
            "audio_token_id": vocabulary["<|audio_pad|>"],
        }
    )
    model = made(Qwen3OmniMoeThinkerForConditionalGeneration, config=config.thinker_config)
    return _published(
        folder,
        config,
        model,
        made(WhisperFeatureExtractor, feature_size=128),
        _ids(vocabulary, speaks),
        under="thinker.",
    )


def qwen2_audio(folder: Path, speaks: Sequence[str] = (), width: int = 32) -> PreTrainedModel:
    """`width`: of the decoder, which has four heads."""
    vocabulary = _words(folder, ("<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>"), speaks)
    sizes = {**TEXT, "hidden_size": width, "head_dim": width // 4}
    config = Qwen2AudioConfig(
        audio_config={**AUDIO, "max_source_positions": 1500},
        text_config={**sizes, "model_type": "qwen2", "vocab_size": len(vocabulary)},
        audio_token_index=vocabulary["<|AUDIO|>"],
    )
    model = Qwen2AudioForConditionalGeneration(config)
    return _published(folder, config, model, _whisper_like(), _ids(vocabulary, speaks))


def gemma(folder: Path, speaks: Sequence[str] = ()) -> PreTrainedModel:
    """With what the small published ones have: layers that share keys, and tokens that are looked at in each layer."""
    vocabulary = _words(folder, ("<|audio>", "<audio|>", "<|audio|>", "<|image|>", "<|video|>"), speaks)
    config = Gemma4Config(
        audio_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "output_proj_dims": 40,
            "subsampling_conv_channels": [128, 4],
        },
        text_config={
            **TEXT,
            "num_hidden_layers": 4,
            "num_kv_shared_layers": 2,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
            "sliding_window": 16,
            "global_head_dim": 8,
            "hidden_size_per_layer_input": 8,
            "vocab_size": len(vocabulary),
            "vocab_size_per_layer_input": len(vocabulary),
            "pad_token_id": 0,
        },
        vision_config={"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
        audio_token_id=vocabulary["<|audio|>"],
        image_token_id=vocabulary["<|image|>"],
        video_token_id=vocabulary["<|video|>"],
        tie_word_embeddings=False,
    )
    model = Gemma4ForConditionalGeneration(config)
    return _published(folder, config, model, made(Gemma4AudioFeatureExtractor), _ids(vocabulary, speaks))


BUILDS = (qwen25_omni, qwen3_omni, qwen2_audio, gemma)
"""Every family but Step-Audio's, each a function that writes a small random checkpoint."""


def _words(folder: Path, control: Sequence[str], speaks: Sequence[str]) -> dict[str, int]:
    words = tokenizer(control=(*CONTROL, *control))
    words.add_tokens(list(speaks))
    words.save_pretrained(folder)
    return words.get_vocab()


def _whisper_like() -> SequenceFeatureExtractor:
    return made(WhisperFeatureExtractor, feature_size=128)


def _ids(vocabulary: dict[str, int], words: Sequence[str]) -> list[int]:
    return [vocabulary[word] for word in words]


def _published(
    folder: Path,
    config: PreTrainedConfig,
    model: PreTrainedModel,
    extractor: SequenceFeatureExtractor,
    speaks: Sequence[int],
    under: str = "",
) -> PreTrainedModel:
    """Save it with the names that weights have in published folders, which are older than the modules' own."""
    model.train(False)
    randomized(model)
    if speaks:
        head = model.get_output_embeddings().weight  # type: ignore[no-untyped-call]
        head.data[[token for token in range(len(head)) if token not in speaks]] = 0
        head.data *= 10
    extractor.save_pretrained(folder)
    model.save_pretrained(folder)
    weights = folder / "model.safetensors"
    save_file({under + name.removeprefix(under): tensor for name, tensor in load_file(weights).items()}, weights)
    config.save_pretrained(folder)
    return model
