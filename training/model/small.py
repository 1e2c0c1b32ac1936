"""A decoder that is small enough to be trained in minutes, from nothing, with a tokenizer of its own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from pipeline.decoders.torch_models.step_audio import END, StepAudioConfig, StepAudioModules
from training.data.acoustic import Question
from training.model.build import CONTROL, ENCODER, with_sinusoids

TOKENS = 640
TEXT: Mapping[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
}
"""Sizes of the decoder, of 0.8 million parameters."""
SMALL_ENCODER: Mapping[str, Any] = {**ENCODER, "n_audio_state": 64, "n_audio_head": 2}


def build_small(questions: Sequence[Question], seed: int) -> tuple[StepAudioModules, PreTrainedTokenizerFast]:
    """The modules with random weights, and a tokenizer whose pieces are those of `questions` and their evidence."""
    tokenizer = _tokenizer(text for one in questions for text in (one.asked, one.transcript, *one.evidence))
    torch.manual_seed(seed)
    modules = StepAudioModules(StepAudioConfig.of({"vocab_size": len(tokenizer), **TEXT}, SMALL_ENCODER))
    return with_sinusoids(modules), tokenizer


def _tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Pieces of bytes, so that every text can be written; one digit is one token."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(CONTROL),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, pad_token=END)  # type: ignore[no-untyped-call]
