"""What Step-Audio-R1's size needs under each launch file, without a GPU: `python -m training.full_size.dry_run`.

Modules are built on the meta device, so that shapes are those of the real model and no weight takes any memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from accelerate.commands.config.config_args import load_config_from_file
from peft import get_peft_model
from rich.console import Console
from rich.table import Table
from torch import nn

from pipeline.decoders.torch_models.step_audio import AUDIO, TEXT, StepAudioConfig, StepAudioModules
from training.stages.supervised import adapters

LAUNCH = Path(__file__).with_name("launch")
SEQUENCE = 10_240
"""Tokens of the longest answer with its prompt (Step-Audio-R1, https://arxiv.org/abs/2511.15848)."""
ANSWERS = 16
"""Answers to one question that are compared with each other (the same)."""
_WEIGHT, _TRAINED = 2, 16
"""Bytes of a frozen weight in bfloat16, and of a trained one: its bfloat16 and float32 values, gradient and moments."""

console = Console(width=110)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one model needs, in bytes where nothing else is said."""

    parameters: int
    trained: int
    """Parameters that learn."""
    activations: int
    """For one sequence, with the input of each layer kept and one layer computed again."""
    logits: int
    cached_per_answer: int
    """Keys and values of one rollout."""

    def per_gpu(self, gpus: int) -> int:
        """In a training step with one sequence on each of `gpus`, over which all states are sharded."""
        states = _WEIGHT * (self.parameters - self.trained) + _TRAINED * self.trained
        return states // gpus + self.activations + self.logits

    def per_gpu_writing(self, gpus: int, answers: int = ANSWERS) -> int:
        """While `answers` to one question are written by all `gpus` of a machine together, as vLLM shards a model."""
        return (_WEIGHT * self.parameters + answers * self.cached_per_answer) // gpus


def needs(whole: bool, text: Mapping[str, Any] = TEXT, audio: Mapping[str, Any] = AUDIO) -> Needs:
    """Measured on the modules themselves. `whole`: all weights of the decoder learn, not adapters only."""
    modules = StepAudioModules.empty(StepAudioConfig.of(text, audio), torch.device("meta"))
    every = sum(one.numel() for one in modules.parameters())
    trained = _trained(modules, whole)
    tokens, width, layers = SEQUENCE, text["hidden_size"], text["num_hidden_layers"]
    vectors = torch.empty(1, tokens, width, device="meta", dtype=torch.bfloat16)
    with torch.no_grad():
        made = nn.Module.to(modules.decoder, torch.bfloat16)(
            inputs_embeds=vectors,
            attention_mask={"full_attention": None},
            use_cache=False,  # a mask is looked into
        )
    if made.logits.shape != (1, tokens, text["vocab_size"]):
        raise RuntimeError(f"the decoder makes logits of shape {tuple(made.logits.shape)}")
    head = width // text["num_attention_heads"]
    within = tokens * (4 * width + 3 * text["intermediate_size"]) * 2
    return Needs(
        every,
        trained,
        layers * vectors.numel() * 2 + within,
        made.logits.numel() * (2 + 4),
        2 * layers * text["num_key_value_heads"] * head * 2 * tokens,
    )


def _trained(modules: StepAudioModules, whole: bool) -> int:
    if whole:
        return sum(one.numel() for part in (modules.decoder, modules.adaptor) for one in part.parameters())
    config = adapters()
    config.modules_to_save = ["lm_head"]
    model = get_peft_model(modules.decoder, config)
    learning: int = sum(one.numel() for one in model.parameters() if one.requires_grad)
    model.unload()
    return learning + sum(one.numel() for one in modules.adaptor.parameters())


def main(gigabytes: Annotated[float, typer.Option(help="Memory of one GPU.")] = 80) -> None:
    """Read every launch file as accelerate does, and print what a step of each kind of training takes on a GPU."""
    table = Table("launch file", "GPUs", "learns", "parameters", "learning", "GB on a GPU", f"of {gigabytes:g} GB")
    kinds = {"adapters": needs(whole=False), "all weights": needs(whole=True)}
    for file in sorted(LAUNCH.glob("*.yaml")):
        gpus = load_config_from_file(str(file)).num_processes
        for name, need in kinds.items():
            taken = need.per_gpu(gpus) / 1e9
            fits = "fits" if taken < gigabytes else "does not fit"
            sizes = f"{need.parameters / 1e9:.1f}e9", f"{need.trained / 1e9:.2f}e9"
            table.add_row(file.stem, str(gpus), name, *sizes, f"{taken:.0f}", fits)
    console.print(table)
    need = kinds["adapters"]
    cached, sharded = ANSWERS * need.cached_per_answer / 1e9, need.per_gpu_writing(8) / 1e9
    console.print(
        f"Rollouts: {ANSWERS} answers of {SEQUENCE} tokens keep {cached:.0f} GB of keys and values. vLLM takes "
        f"{sharded:.0f} GB on each of the eight GPUs that write them together, besides the above."
    )


if __name__ == "__main__":
    typer.run(main)
