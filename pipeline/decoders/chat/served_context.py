"""How many tokens a server's model takes, as far as the server says."""

import logging
from typing import Any

import httpx

log = logging.getLogger(__name__)

_PATIENCE_S = 5.0
"""Longest wait for each answer: a server that cannot say it is asked while the models load."""


async def served_context(url: str, api_key: str, model: str) -> int | None:
    """Tokens of prompt and answer that the server at `url` takes for `model`; None: it does not say.

    vLLM lists `max_model_len` with its models, llama.cpp its `n_ctx` under /props; hosted models report neither.
    Sources: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html and
    https://github.com/ggml-org/llama.cpp/tree/master/tools/server
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    base = url.rstrip("/")
    async with httpx.AsyncClient(headers=headers, timeout=_PATIENCE_S) as http:
        listed = await _json(http, f"{base}/models")
        models = [entry for entry in _list(listed.get("data")) if isinstance(entry, dict)]
        of_model = next((entry for entry in models if entry.get("id") == model), models[0] if len(models) == 1 else {})
        if (found := _tokens(of_model.get("max_model_len"))) is not None:
            return found
        props = await _json(http, f"{base.removesuffix('/v1')}/props")
        settings = props.get("default_generation_settings")
        return _tokens(settings.get("n_ctx")) if isinstance(settings, dict) else None


async def _json(http: httpx.AsyncClient, address: str) -> dict[str, Any]:
    """The JSON object at `address`; an empty one if there is none."""
    try:
        response = await http.get(address)
        found = response.json() if response.is_success else {}
    except (httpx.HTTPError, ValueError) as error:
        log.info("%s does not say how much it takes: %s", address, error)
        return {}
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
