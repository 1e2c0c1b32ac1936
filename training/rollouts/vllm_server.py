"""A vLLM server that writes with the weights of a model in training, which it takes from a folder that both see."""

import base64
import io
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx
import torch

from training.rollouts.writer import MOST_TOKENS, Written

_ANSWER_S = 3600
"""The longest that one request may take: several answers of 10,240 tokens, and many other requests at the same time."""


class VllmError(Exception):
    """The server can't be reached, refuses, or was not started as training needs it."""


class VllmServer:
    """The client of one server, which serves this training only. It is a context manager that closes connections."""

    def __init__(self, url: str, folder: Path) -> None:
        """`url`: for example http://localhost:8000. `folder`: for decoders and adapters, the same path for both."""
        self._url = url.rstrip("/").removesuffix("/v1")
        self.decoder = folder.resolve() / "decoder"
        """Folder of the decoder whose weights the server takes."""
        self.adapters = folder.resolve() / "adapters"
        """Folder of the adapters that it takes, one a training step."""
        self._client = httpx.Client(base_url=self._url, timeout=httpx.Timeout(_ANSWER_S, connect=10))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def load_decoder(self) -> None:
        """Take the weights in the decoder's folder, and forget all adapters. Raises `VllmError`."""
        self._check()
        for model in self._models():
            if model["parent"]:
                self.unload_adapter(model["id"])
        self._post("/collective_rpc", method="reload_weights", kwargs={"weights_path": str(self.decoder)})
        # What it has computed of prompts is of the weights before.
        if not self._post("/reset_prefix_cache")["success"]:
            raise VllmError(f"the vLLM server at {self._url} is writing for others; training needs one of its own")

    def load_adapter(self, name: str) -> None:
        """Take the adapter in the folder of that name. Raises `VllmError`."""
        self._send("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(self.adapters / name)})

    def unload_adapter(self, name: str) -> None:
        """Forget an adapter. Raises `VllmError`."""
        self._send("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    def complete(
        self, vectors: torch.Tensor, seed: int, *, samples: int, temperature: float, end: int, adapter: str | None
    ) -> list[Written]:
        """Answers to one prompt, drawn from all tokens.

        `vectors`: the prompt's embeddings, shape (tokens, width). `end`: the token that ends an answer. `adapter`:
        None for the decoder alone. Raises `VllmError`.
        """
        file = io.BytesIO()
        torch.save(vectors.cpu().clone(), file)  # of a view, all that it is a view of would be sent
        made = self._post(
            "/v1/completions",
            model=adapter or self._base,
            prompt_embeds=base64.b64encode(file.getvalue()).decode(),
            n=samples,
            seed=seed,
            temperature=temperature,
            top_p=1.0,
            top_k=0,
            min_p=0.0,
            repetition_penalty=1.0,
            max_tokens=MOST_TOKENS,
            stop_token_ids=[end],
            logprobs=0,
            return_token_ids=True,
        )
        return [Written(one["token_ids"], one["logprobs"]["token_logprobs"]) for one in made["choices"]]

    @cached_property
    def _base(self) -> str:
        return next(str(model["id"]) for model in self._models() if not model["parent"])

    def _models(self) -> list[dict[str, Any]]:
        models: list[dict[str, Any]] = self._send("GET", "/v1/models").json()["data"]
        return models

    def _check(self) -> None:
        """Raises `VllmError` that names what the server was started without."""
        answer = self._send("GET", "/server_info?config_format=json", refused=404)
        if answer.status_code == 404:
            missing = ["VLLM_SERVER_DEV_MODE=1"]
        else:
            info = answer.json()
            config, environment = info["vllm_config"], info["vllm_env"]
            needed = {
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=true": environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"],
                "--enable-prompt-embeds": config["model_config"]["enable_prompt_embeds"],
                "--enable-lora": config["lora_config"],
            }
            missing = [option for option, there in needed.items() if not there]
        if missing:
            raise VllmError(f"the vLLM server at {self._url} was started without {', '.join(missing)}. {self._remedy}")

    def _post(self, path: str, **body: object) -> Any:  # noqa: ANN401 - JSON
        return self._send("POST", path, body).json()

    def _send(
        self, method: str, path: str, body: dict[str, object] | None = None, refused: int | None = None
    ) -> httpx.Response:
        """`refused`: the status of a refusal that the caller understands."""
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            raise VllmError(f"no vLLM server answers at {self._url} ({error!r}). {self._remedy}") from error
        if not answer.is_success and answer.status_code != refused:
            raise VllmError(f"the vLLM server at {self._url} refuses {path}: {answer.text[:500]}")
        return answer

    @property
    def _remedy(self) -> str:
        return (
            "Start it so: VLLM_SERVER_DEV_MODE=1 VLLM_ALLOW_RUNTIME_LORA_UPDATING=true vllm serve "
            f"{self.decoder} --enable-prompt-embeds --enable-lora"
        )
