"""Writes and reads a model as Step-Audio's makers publish theirs, so that the agent loads it."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from pipeline.decoders.torch_models.checkpoint import load_weights
from pipeline.decoders.torch_models.step_audio import StepAudioConfig, StepAudioModules, published_name, read_tokenizer
from training.model.build import text_sizes

_MODEL = "model.safetensors"


def write_checkpoint(
    modules: StepAudioModules, tokenizer: PreTrainedTokenizerFast, folder: Path, dtype: torch.dtype = torch.float32
) -> None:
    """Write config.json, tokenizer.json and, last, the weights as `dtype`: a folder that has these is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(_config(modules), indent=1), encoding="utf-8")
    weights = {
        published_name(own): tensor.detach().to(dtype).contiguous() for own, tensor in modules.named_parameters()
    }
    unfinished = folder / f"{_MODEL}.part"
    save_file(weights, unfinished)
    unfinished.rename(folder / _MODEL)


def write_decoder(decoder: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the decoder of a model in training as a Qwen2 model in transformers' layout, which hears nothing."""
    weights = {
        own.replace(".words.", "."): tensor for own, tensor in decoder.state_dict().items() if ".adaptor." not in own
    }
    decoder.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)


def is_complete(folder: Path) -> bool:
    """Whether `write_checkpoint` has finished there."""
    return (folder / _MODEL).exists()


def read_checkpoint(folder: Path) -> tuple[StepAudioModules, PreTrainedTokenizerFast]:
    """The modules and the tokenizer, on the CPU in float32. Raises `CheckpointError`."""
    modules = StepAudioModules(StepAudioConfig.read(folder))
    names = {own: published_name(own) for own, _ in modules.named_parameters()}
    load_weights(folder, modules, names, torch.device("cpu"), torch.float32)
    tokenizer = read_tokenizer(folder)
    tokenizer.pad_token = tokenizer.eos_token
    return modules, tokenizer


def _config(modules: StepAudioModules) -> dict[str, object]:
    text, audio = modules.decoder.config, modules.tower.config
    return {
        "model_type": "step_audio_2",
        "text_config": text_sizes(text, text.vocab_size),
        "audio_encoder_config": {
            "n_mels": audio.num_mel_bins,
            "n_audio_ctx": audio.max_source_positions,
            "n_audio_state": audio.d_model,
            "n_audio_head": audio.encoder_attention_heads,
            "n_audio_layer": audio.encoder_layers,
            "kernel_size": 3,
            "adapter_stride": 2,
            "llm_dim": text.hidden_size,
        },
    }
