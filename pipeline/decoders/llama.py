"""Any GGUF model through llama.cpp's server: in this process (xllamacpp), or at a URL. Both speak the same JSON.

The server matches a prompt against what a slot's KV cache holds, token by token, and reads only what is new behind the
longest common prefix. So appending is prefilling a longer prompt, and rewinding is asking for a shorter one.
Source: https://github.com/ggml-org/llama.cpp/tree/master/tools/server
"""

import asyncio
import json
import math
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from pipeline.decoders import hermes
from pipeline.decoders.decoder import (
    DecoderError,
    Finished,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolChoice,
    Unit,
    Written,
)
from pipeline.decoders.messages import closes_a_sentence, in_words, joined, parted, stand_in
from pipeline.decoders.slots import Slots
from pipeline.decoders.thoughts import NONE, ThoughtSplitter, format_of_template
from pipeline.decoders.units import UnitList

_CANDIDATES = 40
"""Likeliest next tokens that are asked for; what is not among them hardly weighs."""

_BATCH_TOKENS = 128
"""Half a second's reading of a small model on one core."""

_REMEMBERED_TOKENS = 200_000
"""Of texts that were tokenized: template parts and the messages of the conversations that are open."""


class Llama:
    """A connection to a llama.cpp server, shared by all conversations."""

    def __init__(self, url: str, api_key: str, *, slots: int, capacity: int, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self.api_key = api_key
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(timeout_s),
            limits=httpx.Limits(max_connections=None),
        )
        self._slots = Slots(slots)
        self._capacity = capacity
        self.thoughts = NONE
        """How the model writes its thoughts; may be set to make a model think that was not taught a way of its own."""
        self._tokens: dict[tuple[str, bool], list[int]] = {}
        self._remembered = 0
        self._server: object | None = None

    @classmethod
    async def in_process(cls, model: Path, *, slots: int, capacity: int, threads: int, timeout_s: float) -> "Llama":
        """Load `model` (GGUF) into this process. Raises `DecoderError` if llama.cpp can't."""
        api_key = secrets.token_urlsafe()
        server, url = await asyncio.to_thread(_start_server, model, slots, capacity, threads, api_key)
        llama = cls(url, api_key, slots=slots, capacity=capacity, timeout_s=timeout_s)
        llama._server = server
        await llama._read_props()
        return llama

    @classmethod
    async def at(cls, url: str, *, api_key: str, timeout_s: float) -> "Llama":
        """Connect to a running llama-server. Raises `DecoderError` if none answers there."""
        llama = cls(url, api_key, slots=1, capacity=0, timeout_s=timeout_s)
        props = await llama._read_props()
        llama._slots = Slots(props["total_slots"])
        llama._capacity = props["default_generation_settings"]["n_ctx"]
        return llama

    async def _read_props(self) -> dict[str, Any]:
        props = await self.call("GET", "/props")
        self.thoughts = format_of_template(props.get("chat_template", ""))
        return props

    @property
    def ear(self) -> None:
        """llama.cpp has ears for few models, and they look at whole sounds only."""
        return None

    @property
    def thinks(self) -> bool:
        return bool(self.thoughts.opens)

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> "LlamaContext":
        return LlamaContext(self, self._slots, self._capacity, instructions, tools)

    async def close(self) -> None:
        await self._http.aclose()
        # The server ends when its last reference goes, after the token under way: not on the event loop.
        held, self._server = [self._server], None
        await asyncio.to_thread(held.clear)

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request and its JSON answer. Raises `DecoderError`."""
        try:
            async with self._request(method, path, body) as response:
                text = (await response.aread()).decode()
        except httpx.HTTPError as error:
            raise _unreachable(self._http, error) from error
        if response.is_error:
            raise _refused(text)
        try:
            answer: dict[str, Any] = json.loads(text)
        except ValueError:
            raise _refused(text) from None
        return answer

    async def stream(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The events of /completion. Closing the iterator closes the connection, which stops the server's work."""
        try:
            async with self._request("POST", "/completion", body) as response:
                if response.is_error:
                    raise _refused((await response.aread()).decode())
                async for line in response.aiter_lines():
                    if line.startswith("error:"):
                        raise _refused(line.removeprefix("error:"))
                    if line.startswith("data:") and not line.endswith("[DONE]"):
                        event = json.loads(line.removeprefix("data:"))
                        if "error" in event:
                            raise _refused(line.removeprefix("data:"))
                        yield event
        except httpx.HTTPError as error:
            raise _unreachable(self._http, error) from error

    @asynccontextmanager
    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> AsyncIterator[httpx.Response]:
        def ask() -> Awaitable[httpx.Response]:
            return self._http.send(self._http.build_request(method, path, json=body), stream=True)

        try:
            response = await ask()
        except httpx.RemoteProtocolError:
            # The server closes a connection after some hundred requests, perhaps just when the next is on its way.
            response = await ask()
        async with aclosing(response):
            yield response

    async def tokenize(self, text: str, control: bool) -> list[int]:
        """Tokens of `text`; control tokens spelled out in it are read as such only if `control`."""
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


class LlamaContext(UnitList):
    """One conversation's prompt. Its KV cache is whichever slot it gets, its last one if nobody else took it."""

    def __init__(self, llama: Llama, slots: Slots, capacity: int, instructions: str, tools: Sequence[Tool]) -> None:
        super().__init__(capacity, tools)
        self._llama = llama
        self._slots = slots
        self._system = instructions + hermes.describe(tools)
        self._rendered: tuple[list[Unit], list[int], str] | None = None
        """What was rendered last, of which units."""

    async def length(self) -> int:
        tokens, _ = await self._prompt()
        return len(tokens)

    async def end_of_turn_probability(self) -> float:
        prompt, closing = await self._open_prompt()
        async with self._slots.lend(self) as slot:
            body = {
                "prompt": prompt,
                "id_slot": slot,
                "cache_prompt": True,
                "n_predict": 1,
                "n_probs": _CANDIDATES,
                "temperature": 0,
            }
            answer = await self._llama.call("POST", "/completion", body)
        (next_token,) = answer["completion_probabilities"]
        return sum(
            math.exp(candidate["logprob"])
            for candidate in next_token["top_logprobs"]
            if candidate["id"] == closing or closes_a_sentence(candidate["token"])
        )

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Written]:
        forced = self._forced_tools(tool_choice)
        prompt, thinking = await self._prompt(at_once=bool(forced))
        if forced:
            prompt = prompt + await self._llama.tokenize(hermes.CALL_OPENS + "\n", control=True)
        async with self._slots.lend(self) as slot:
            body: dict[str, Any] = {
                "prompt": prompt,
                "id_slot": slot,
                "cache_prompt": True,
                "stream": True,
                "n_predict": sampling.max_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
            }
            if sampling.seed is not None:
                body["seed"] = sampling.seed
            if marks := self._llama.thoughts.marks:
                body["preserved_tokens"] = marks  # control tokens are not written out unless asked for
            if forced:
                body["json_schema"] = hermes.call_schema(forced)
            splitter = ThoughtSplitter(self._llama.thoughts, thinking)
            parts = self._forced_call(body) if forced else self._thoughts_speech_and_calls(body, splitter)
            async with aclosing(parts):
                async for part in parts:
                    yield part

    async def close(self) -> None:
        self._slots.forget(self)

    async def _thoughts_speech_and_calls(
        self, body: dict[str, Any], splitter: ThoughtSplitter
    ) -> AsyncGenerator[Written]:
        parser = hermes.CallParser()
        async with aclosing(self._llama.stream(body)) as events:
            async for event in events:
                parts = [*splitter.push(event["content"]), *(splitter.finish() if event["stop"] else ())]
                for part in parts:
                    if isinstance(part, Thought):
                        yield part
                    else:
                        for spoken_or_call in parser.push(part.text):
                            yield spoken_or_call
                if event["stop"]:
                    for spoken_or_call in parser.finish():
                        yield spoken_or_call
                    yield _finished(event)

    async def _forced_call(self, body: dict[str, Any]) -> AsyncGenerator[Written]:
        text = ""
        async with aclosing(self._llama.stream(body)) as events:
            async for event in events:
                text += event["content"]
                if event["stop"]:
                    yield hermes.parse_call(text)
                    yield _finished(event)

    def _forced_tools(self, choice: ToolChoice) -> tuple[Tool, ...]:
        if isinstance(choice, Tool):
            return (choice,)
        return self._tools if choice == "required" else ()

    async def _prompt(self, at_once: bool = False) -> tuple[list[int], bool]:
        """The tokens of everything up to where the assistant goes on, and whether that is inside a thought.

        `at_once`: not inside one, if that can be helped.
        """
        over, open_message = parted(self._units)
        if open_message is None and at_once:
            open_message = [Text("")]
        tokens, rest = await self._render(over)
        form = self._llama.thoughts
        if open_message is None:
            return tokens + await self._llama.tokenize(rest, control=True), form.is_thinking(rest)
        for text, control in form.goes_on(rest, open_message):
            tokens = tokens + await self._llama.tokenize(text, control)
        return tokens, form.goes_on_thinking(open_message)

    async def _open_prompt(self) -> tuple[list[int], int | None]:
        """The tokens up to the last word of the last message, and the token that would close it."""
        tokens, rest = await self._render(self._units)
        closing = await self._llama.tokenize(rest, control=True)
        return tokens, next(iter(closing), None)

    async def _render(self, units: Sequence[Unit]) -> tuple[list[int], str]:
        """The tokens up to the last word of the last message, through the model's own chat template, and what follows.

        The template is given stand-ins for what was said, and the tokens of the real words are put in their places, so
        that nothing a person says can be read as a control token. An answer asks twice: for its length, and for it.
        """
        if self._rendered is None or self._rendered[0] != units:
            self._rendered = (list(units), *await self._render_anew(units))
        _, tokens, rest = self._rendered
        return tokens, rest

    async def _render_anew(self, units: Sequence[Unit]) -> tuple[list[int], str]:
        said = [self._system]
        messages = [{"role": "system", "content": stand_in(0)}]
        for role, pieces in joined(units):
            texts = in_words(pieces)
            messages.append({"role": role, "content": "".join(map(stand_in, range(len(said), len(said) + len(texts))))})
            said += texts
        rendered = (await self._llama.call("POST", "/apply-template", {"messages": messages}))["prompt"]
        tokens: list[int] = []
        for number, text in enumerate(said):
            before, found, rendered = rendered.partition(stand_in(number))
            if not found:
                raise DecoderError("the model's chat template drops messages; choose a model with another template")
            tokens += await self._llama.tokenize(before, control=True)
            tokens += await self._llama.tokenize(text, control=False)
        return tokens, rendered


def _finished(event: dict[str, Any]) -> Finished:
    return Finished(
        reason="length" if event["stop_type"] == "limit" else "stop",
        prompt_tokens=event["tokens_evaluated"],
        cached_tokens=event["timings"]["cache_n"],
        completion_tokens=event["tokens_predicted"],
    )


def _start_server(model: Path, slots: int, capacity: int, threads: int, api_key: str) -> tuple[object, str]:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_parallel = slots
    params.n_ctx = slots * capacity
    # Whatever is read is read in pieces, and between them every other slot gets its token: one conversation's long
    # prompt must not silence the others.
    params.n_batch = params.n_ubatch = _BATCH_TOKENS
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0  # prompts of closed conversations are not kept beside the slots
    params.api_keys = [api_key]  # the server listens on a loopback port; nobody else may use it
    params.verbosity = -1
    try:
        server = xllamacpp.Server(params)
    except Exception as error:
        raise DecoderError(f"llama.cpp can't load {model}: {error}") from error
    return server, server.listening_address


def _unreachable(http: httpx.AsyncClient, error: httpx.HTTPError) -> DecoderError:
    return DecoderError(f"no answer from the llama.cpp server at {http.base_url}: {str(error) or type(error).__name__}")


def _refused(text: str) -> DecoderError:
    try:
        message = json.loads(text)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = text.strip()
    return DecoderError(f"llama.cpp refused the request: {message}")
