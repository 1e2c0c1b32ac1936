"""A random model of one layer, in the classes that the agent serves."""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pipeline.decoders.torch_models.step_audio import END, StepAudioConfig, StepAudioModules
from tests.support.small_models import BYTES
from training.data.acoustic import Question
from training.model.build import CONTROL

TEXT = {
    "vocab_size": len(BYTES) + len(CONTROL),
    "hidden_size": 128,  # vLLM's attention on a CPU takes no narrower heads than of 32
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
}
AUDIO = {"n_mels": 128, "n_audio_ctx": 1500, "n_audio_state": 16, "n_audio_head": 4, "n_audio_layer": 1}
STAGES = ["0-hearing", "1-cold-start", "2-distillation-1", "3-verified-rewards", "4-self-knowledge"]
"""Folders of the stages of `TINY`."""


def begin(_: Sequence[Question]) -> tuple[StepAudioModules, PreTrainedTokenizerFast]:
    """A random model of one layer whose tokens are bytes."""
    torch.manual_seed(0)
    backend = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(BYTES)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(CONTROL))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, pad_token=END)  # type: ignore[no-untyped-call]
    return StepAudioModules(StepAudioConfig.of(TEXT, AUDIO)), tokenizer
