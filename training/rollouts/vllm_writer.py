"""Answers that a vLLM server writes. It holds the decoder only: recordings reach it as the embeddings of prompts.

The audio adaptor stays in the trainer. Weights that a whole stage changes reach the server from a folder, and adapters
after every step of the training, as adapters. vLLM takes no other weights of an adapter, so its layer for the words
does not learn.
"""

import copy
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import save_file

from training.gathering import learned
from training.model.checkpoint import write_decoder
from training.model.trainee import Trainee
from training.processes import wait, writes
from training.rollouts.vllm_server import VllmServer
from training.rollouts.writer import Written

_AT_ONCE = 64
"""Prompts of one process that the server has at a time. The others wait."""
_ADAPTOR = "embed_tokens.adaptor."


class VllmWriter:
    """Writes with the weights of one model, which the server has from now on."""

    whole = ("adaptor",)

    def __init__(self, server: VllmServer, run: Trainee) -> None:
        """Raises `VllmError`."""
        self._server = server
        self._end = run.prompts.end
        self._embedding = run.embedding.twin()
        self._adapter: str | None = None
        if writes():
            write_decoder(run.decoder, run.tokenizer, server.decoder)
            server.load_decoder()
        wait()

    def follow(self, trainer: Any) -> None:  # noqa: ANN401 - as the contract has it
        """TRL asks for the weights of a step before its first answers, and corrects for how vLLM's figures differ.

        It does both for the vLLM that it opens itself, which reads token ids and takes whole models. Here this server
        stands in for that one.
        """
        trainer.use_vllm, trainer.vllm_generation, trainer._last_loaded_step = True, _Following(self, trainer), -1

    @torch.no_grad()
    def write(self, read: Sequence[Sequence[int]], samples: int, temperature: float) -> list[list[Written]]:
        """Raises `VllmError`."""
        vectors = [self._embedding(torch.tensor([ids]))[0] for ids in read]
        seeds = torch.randint(2**31, (len(read),)).tolist()
        complete = partial(
            self._server.complete, samples=samples, temperature=temperature, end=self._end, adapter=self._adapter
        )
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(complete, vectors, seeds))

    def take(self, weights: Mapping[str, torch.Tensor], config: LoraConfig, name: str) -> None:
        """Write with what adapters have learned. `weights`: by PEFT's names. `name`: that the server has not had."""
        adaptor = {key.rpartition(_ADAPTOR)[2]: tensor.cpu() for key, tensor in weights.items() if _ADAPTOR in key}
        self._embedding.adaptor.load_state_dict(adaptor)
        before, self._adapter = self._adapter, name
        if writes():
            folder = self._server.adapters / name
            alone = copy.copy(config)
            alone.modules_to_save, alone.inference_mode = None, True
            alone.save_pretrained(folder)
            lora = {key: tensor.contiguous() for key, tensor in weights.items() if _ADAPTOR not in key}
            save_file(lora, folder / "adapter_model.safetensors")
            self._server.load_adapter(name)
            if before is not None:
                self._server.unload_adapter(before)
                shutil.rmtree(self._server.adapters / before)
        wait()


class _Following:
    """Stands where TRL has its own vLLM."""

    def __init__(self, writer: VllmWriter, trainer: Any) -> None:  # noqa: ANN401
        self._writer = writer
        self._trainer = trainer

    def sync_weights(self) -> None:
        """Called by TRL in every process, before the first answers of a step."""
        config = self._trainer.model.peft_config["default"]
        self._writer.take(learned(self._trainer), config, f"step-{self._trainer.state.global_step}")
