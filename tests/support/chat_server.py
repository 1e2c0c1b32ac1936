"""Stand-ins for servers that speak OpenAI's chat completions: real HTTP, scripted answers."""

import asyncio
import base64
import io
import json
import wave
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Self

from tests.support.strict_history import complaint

Trouble = Literal[
    "none", "refuses", "wrong", "breaks off at once", "breaks off", "reports", "slow", "silent", "wordless", "hangs"
]
"""What goes wrong with one request: it is refused for now (503) or for good (400); the stream breaks off before or
after its first words; an error is streamed; each piece waits for `go_on`; nothing comes at all, or no word, or nothing
after the first word."""

Deltas = Sequence[Mapping[str, Any]]
"""The `delta` objects of one streamed answer."""


class ChatServer(ABC):
    """A server on a port of its own that notes what it is asked; its subclasses answer what is valid."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        """The bodies of the requests."""
        self.pages: dict[str, dict[str, Any]] = {}
        """What can be read, by path: such as /v1/models."""
        self.connections: list[asyncio.Task[None] | None] = []
        self.gone = asyncio.Event()
        """Whether a client has hung up before its answer was complete."""
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with listener:
            self._port = listener.sockets[0].getsockname()[1]
            yield self

    async def hung_up(self) -> None:
        """Wait until the client has hung up; a client that never got through has nothing to hang up."""
        if self.connections:
            await self.gone.wait()

    @abstractmethod
    async def answer(self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays open for another."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(asyncio.current_task())
        try:
            while await self._one_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if head.startswith("get "):
            found = self.pages.get(head.split()[1])
            await send_json(
                writer, "404 Not Found" if found is None else "200 OK", found or {"error": {"message": "none"}}
            )
            return True
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length"))
        body: dict[str, Any] = json.loads(await reader.readexactly(length))
        self.asked.append(body)
        if (reason := complaint(body["messages"])) is not None:
            await send_json(writer, "400 Bad Request", {"error": {"message": reason, "type": "invalid_request_error"}})
            return True
        return await self.answer(body, reader, writer)


class ServerOfDeltas(ChatServer):
    """Streams for each request the deltas that `deltas` gives for its body, and the reason why the answer ends."""

    def __init__(self, deltas: Callable[[dict[str, Any]], tuple[Deltas, str]]) -> None:
        super().__init__()
        self._deltas = deltas
        self.refuses: Callable[[dict[str, Any]], tuple[str, dict[str, Any]] | None] = lambda body: None
        """Returns the status line and the error with which a request is refused; None: it is answered."""

    async def answer(self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if (refusal := self.refuses(body)) is not None:
            status, error = refusal
            await send_json(writer, status, {"error": error})
            return True
        deltas, reason = self._deltas(body)
        await _begin(writer)
        for delta in deltas:
            await _line(writer, _chunk(delta=delta))
        await _line(writer, _chunk(delta={}, finish_reason=reason))
        await _line(writer, None)
        return False


class ServerOfBytes(ChatServer):
    """Streams for each request the next of `streams`, byte for byte, the last of them again and again.

    Each piece waits for `go_on`, if there is one. After the last, `endless` is repeated until the client hangs up.
    """

    def __init__(
        self,
        *streams: Sequence[bytes],
        content_type: str = "text/event-stream",
        go_on: asyncio.Semaphore | None = None,
        endless: bytes = b"",
    ) -> None:
        super().__init__()
        self._streams = list(streams)
        self._content_type = content_type
        self._go_on = go_on
        self._endless = endless

    async def answer(self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        stream = self._streams.pop(0) if len(self._streams) > 1 else self._streams[0]
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {self._content_type}\r\n".encode())
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in stream:
            if self._go_on is not None:
                await self._go_on.acquire()
            await _part(writer, piece)
        while self._endless:
            await _part(writer, self._endless)
            await asyncio.sleep(0)
        await _part(writer, b"")
        return True


class StandInForVllm(ChatServer):
    """Answers each request as vLLM does, with the next of `answers`, and fails as `troubles` say, one a request."""

    def __init__(self, answers: Sequence[Sequence[str]], troubles: Sequence[Trouble]) -> None:
        super().__init__()
        self.answers = list(answers)
        """Those that are left, each as the pieces of its text."""
        self.troubles = list(troubles)
        self.go_on = asyncio.Semaphore(0)
        """Released once for each piece of a slow answer."""

    @property
    def prefills(self) -> list[dict[str, Any]]:
        """The requests that ask for nothing but reading."""
        return [body for body in self.asked if not body.get("stream") and not body.get("logprobs")]

    async def answer(self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        trouble = self.troubles.pop(0) if self.troubles else "none"
        if trouble in ("refuses", "wrong"):
            status = "503 Service Unavailable" if trouble == "refuses" else "400 Bad Request"
            await send_json(writer, status, {"error": {"message": "the engine is dead", "code": int(status[:3])}})
        elif trouble == "silent" or (not body.get("stream") and trouble == "hangs"):
            await self._hang(reader)
        elif not body.get("stream"):
            message = {"role": "assistant", "content": "."}
            await send_json(writer, "200 OK", _chunk("chat.completion", message=message, finish_reason="length"))
        else:
            await self._stream(reader, writer, trouble)
        return False

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble) -> None:
        await _begin(writer)
        await _line(writer, _chunk(delta={"role": "assistant", "content": ""}))
        if trouble == "breaks off at once":
            return
        if trouble == "wordless":
            await self._hang(reader)
            return
        pieces = self.answers.pop(0)
        for number, piece in enumerate(pieces):
            if number and trouble == "breaks off":
                return
            if trouble == "reports":
                await _line(writer, {"error": {"message": "out of memory", "type": "InternalServerError", "code": 500}})
                return
            if trouble == "slow":
                await self.go_on.acquire()
            await _line(writer, _chunk(delta={"content": piece}))
            if trouble == "hangs":
                await self._hang(reader)
                return
        await _line(writer, _chunk(delta={}, finish_reason="stop"))
        usage = {"prompt_tokens": 90, "completion_tokens": len(pieces), "total_tokens": 90 + len(pieces)}
        await _line(writer, {**_chunk(), "choices": [], "usage": {**usage, "prompt_tokens_details": None}})
        await _line(writer, None)

    async def _hang(self, reader: asyncio.StreamReader) -> None:
        """Until the client hangs up."""
        await reader.read()
        self.gone.set()


@asynccontextmanager
async def stand_in_for_vllm(*answers: Sequence[str], troubles: Sequence[Trouble] = ()) -> AsyncIterator[StandInForVllm]:
    async with StandInForVllm(answers, troubles).running() as server:
        yield server


def samples_of(part: dict[str, Any]) -> int:
    """Length of the sound in a content part, which must be as published: 16-bit mono WAV at 16 kHz, in base64."""
    assert part["type"] == "input_audio"
    assert part["input_audio"]["format"] == "wav"
    with wave.open(io.BytesIO(base64.b64decode(part["input_audio"]["data"], validate=True))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return int(file.getnframes())


def _chunk(kind: str = "chat.completion.chunk", finish_reason: str | None = None, **choice: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 0,
        "model": "Step-Audio-R1",
        "choices": [{"index": 0, "finish_reason": finish_reason, **choice}],
    }


async def _begin(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )


async def _line(writer: asyncio.StreamWriter, data: dict[str, Any] | None) -> None:
    """One event of the stream; None ends it."""
    await _part(writer, f"data: {'[DONE]' if data is None else json.dumps(data)}\n\n".encode())
    if data is None:
        await _part(writer, b"")


async def _part(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """One chunk of a body in chunked transfer encoding; an empty one is its end."""
    writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    await writer.drain()


async def send_json(writer: asyncio.StreamWriter, status: str, data: dict[str, Any] | str) -> None:
    """A whole response: its status, as in "200 OK", and its body."""
    body = json.dumps(data).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
