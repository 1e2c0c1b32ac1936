"""The HTTP side of llama.cpp's server, which runs in this process (xllamacpp) or at a URL. Both speak the same JSON.

Source: https://github.com/ggml-org/llama.cpp/tree/master/tools/server
"""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from pipeline.decoders.decoder import DecoderError, UpstreamError, UpstreamRefusal
from pipeline.decoders.llama_cpp.huge_pages import use_large_pages
from pipeline.decoders.llama_cpp.openmp import BarrierSwitch, SleepingTeam, choose_waiting
from pipeline.decoders.refusals import refusal_of

_BATCH_TOKENS = 128
"""Tokens that are read in one step: half a second for a small model on one core."""

_REMEMBERED_TOKENS = 200_000
"""Bound of the tokenization cache: parts of templates and the messages of the open conversations."""

_LONGEST_BODY = 16 * 2**20
_LONGEST_LINE = 2**20
"""Characters of one answer, and of one event of a stream, of a server that need not be ours: bounds on its memory."""


class LlamaServer:
    """A connection to one llama.cpp server, with a cache of what it tokenized."""

    def __init__(
        self,
        url: str,
        api_key: str,
        timeout_s: float,
        process: object | None = None,
        barriers: BarrierSwitch | None = None,
    ) -> None:
        """`timeout_s`: longest wait for a connection or for the next bytes. `process`: the server, if it runs here.

        `barriers`: where its threads wait for each other; None: it runs elsewhere or on one thread.
        """
        self.url = url.rstrip("/")
        self.api_key = api_key
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout_s),
            limits=httpx.Limits(max_connections=None),
        )
        self._process = process
        self._barriers = barriers
        self._tokens: dict[tuple[str, bool], list[int]] = {}
        self._remembered = 0

    @classmethod
    async def start(cls, model: Path, *, slots: int, capacity: int, threads: int, timeout_s: float) -> "LlamaServer":
        """Load `model` (GGUF) into a server in this process. Raises `DecoderError` if llama.cpp can't.

        `slots`: KV caches. `capacity`: tokens of each.
        """
        api_key = secrets.token_urlsafe()
        process, url = await asyncio.to_thread(_start, model, slots, capacity, threads, api_key)
        return cls(url, api_key, timeout_s, process, BarrierSwitch(SleepingTeam()) if threads > 1 else None)

    async def close(self) -> None:
        """Close the connection, and end a server that runs in this process."""
        await self._http.aclose()
        # The server ends when its last reference goes, after the token under way: not on the event loop.
        held, self._process = [self._process], None
        await asyncio.to_thread(held.clear)
        if self._barriers is not None:
            self._barriers.close()

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request and its JSON answer. Raises `DecoderError`."""
        try:
            async with self._request(method, path, body) as response:
                text = await _text_of(response)
        except httpx.HTTPError as error:
            raise _unreachable(self._http, error) from error
        if response.is_error:
            raise _refused(text, response.status_code)
        try:
            answer: dict[str, Any] = json.loads(text)
        except ValueError:
            raise _refused(text) from None
        return answer

    async def stream(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The events of /completion. Raises `DecoderError`.

        Closing the iterator closes the connection, which stops the server's work.
        """
        try:
            async with self._request("POST", "/completion", body) as response:
                if response.is_error:
                    raise _refused(await _text_of(response), response.status_code)
                async for line in _lines_of(response):
                    self._look_at_cores()
                    if line.startswith("error:"):
                        raise _refused(line.removeprefix("error:"))
                    if line.startswith("data:") and not line.endswith("[DONE]"):
                        event = json.loads(line.removeprefix("data:"))
                        if "error" in event:
                            raise _refused(line.removeprefix("data:"))
                        yield event
        except httpx.HTTPError as error:
            raise _unreachable(self._http, error) from error

    async def tokenize(self, text: str, control: bool) -> list[int]:
        """Tokens of `text`; control tokens spelled out in it are read as such only if `control`.

        Raises `DecoderError`.
        """
        if not text:
            return []
        key = (text, control)
        tokens = self._tokens.pop(key, None)
        if tokens is None:
            body = {"content": text, "parse_special": control, "add_special": False}
            tokens = (await self.call("POST", "/tokenize", body))["tokens"]
        else:
            self._remembered -= len(tokens)
        self._tokens[key] = tokens  # the newest stay
        self._remembered += len(tokens)
        while self._remembered > _REMEMBERED_TOKENS and len(self._tokens) > 1:
            self._remembered -= len(self._tokens.pop(next(iter(self._tokens))))
        return tokens

    @asynccontextmanager
    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> AsyncIterator[httpx.Response]:
        def ask() -> Awaitable[httpx.Response]:
            return self._http.send(self._http.build_request(method, path, json=body), stream=True)

        self._look_at_cores()
        try:
            response = await ask()
        except httpx.RemoteProtocolError:
            # The server closes a connection after some hundred requests, perhaps just when the next is on its way.
            response = await ask()
        async with aclosing(response):
            yield response

    def _look_at_cores(self) -> None:
        if self._barriers is not None:
            self._barriers.look()


def _start(model: Path, slots: int, capacity: int, threads: int, api_key: str) -> tuple[object, str]:
    choose_waiting()
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_parallel = slots
    params.n_ctx = slots * capacity
    # Prompts are read in pieces, and between two of them every other slot gets its token: one conversation's long
    # prompt must not silence the others.
    params.n_batch = params.n_ubatch = _BATCH_TOKENS
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    # Mapped from the file, weights that are repacked for this CPU would be in memory twice, and all in small pages.
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    params.cache_ram_mib = 0  # prompts of closed conversations are kept in the slots only
    params.api_keys = [api_key]  # the server listens on a loopback port that other programs can reach
    params.verbosity = -1
    try:
        server = xllamacpp.Server(params)
    except Exception as error:
        raise DecoderError(f"llama.cpp can't load {model}: {error}") from error
    use_large_pages()
    return server, server.listening_address


async def _text_of(response: httpx.Response) -> str:
    """The whole body. Raises `UpstreamError` for one that no answer has."""
    text = ""
    async for chunk in response.aiter_text():
        text += chunk
        if len(text) > _LONGEST_BODY:
            raise UpstreamError(f"llama.cpp's answer has more than {_LONGEST_BODY} characters")
    return text


async def _lines_of(response: httpx.Response) -> AsyncIterator[str]:
    """The lines of a stream. Raises `UpstreamError` for one that no event has."""
    rest = ""
    async for chunk in response.aiter_text():
        *lines, rest = (rest + chunk).split("\n")
        if max(map(len, (*lines, rest))) > _LONGEST_LINE:
            raise UpstreamError(f"llama.cpp sent an event of more than {_LONGEST_LINE} characters")
        for line in lines:
            yield line.removesuffix("\r")
    yield rest


def _unreachable(http: httpx.AsyncClient, error: httpx.HTTPError) -> UpstreamError:
    return UpstreamError(
        f"no answer from the llama.cpp server at {http.base_url}: {str(error) or type(error).__name__}"
    )


def _refused(text: str, status: int = 0) -> UpstreamError:
    """The error for what the server says; `status`: the HTTP status, unless the text has one."""
    try:
        error = json.loads(text)["error"]
        message, code = error["message"], error.get("code")
        status = code if isinstance(code, int) else status
    except (ValueError, KeyError, TypeError, AttributeError):
        message = text.strip()
    explained = f"llama.cpp refused the request: {message}"
    refusal = refusal_of(status, text)
    return UpstreamError(explained) if refusal is None else UpstreamRefusal(refusal, explained)
