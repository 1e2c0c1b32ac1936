"""A stand-in for vLLM's HTTP API: it answers over real HTTP as vLLM does, and writes what it is told to."""

import asyncio
import base64
import io
import json
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Trouble = Literal[
    "none", "refuses", "wrong", "breaks off at once", "breaks off", "reports", "slow", "silent", "wordless", "hangs"
]
"""What goes wrong with one request: it is refused for now (503) or for good (400); the stream breaks off before or
behind its first words; an error is streamed; each piece waits for `go_on`; nothing comes at all, or no word, or no more
behind the first."""


@dataclass
class StandInForVllm:
    """Answers each request with the next of `answers`, piece by piece, and fails as `troubles` say, one a request."""

    answers: list[Sequence[str]]
    troubles: list[Trouble] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The requests' bodies."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether a client has hung up in mid-answer."""
    go_on: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """One for each piece of a slow answer."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def prefills(self) -> list[dict[str, Any]]:
        """The requests that ask for nothing but reading."""
        return [body for body in self.asked if not body.get("stream")]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length"))
        body = json.loads(await reader.readexactly(length))
        self.asked.append(body)
        trouble = self.troubles.pop(0) if self.troubles else "none"
        if trouble in ("refuses", "wrong"):
            status = "503 Service Unavailable" if trouble == "refuses" else "400 Bad Request"
            await _send(writer, status, {"error": {"message": "the engine is dead", "code": int(status[:3])}})
        elif trouble == "silent" or (not body.get("stream") and trouble == "hangs"):
            await self._hang(reader)
        elif not body.get("stream"):
            message = {"role": "assistant", "content": "."}
            await _send(writer, "200 OK", _chunk("chat.completion", message=message, finish_reason="length"))
        else:
            await self._stream(reader, writer, trouble)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
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
    server = StandInForVllm(list(answers), list(troubles))
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        server.port = listener.sockets[0].getsockname()[1]
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


async def _line(writer: asyncio.StreamWriter, data: dict[str, Any] | None) -> None:
    """One event of the stream; None ends it."""
    text = f"data: {'[DONE]' if data is None else json.dumps(data)}\n\n".encode()
    writer.write(f"{len(text):x}\r\n".encode() + text + b"\r\n" + (b"0\r\n\r\n" if data is None else b""))
    await writer.drain()


async def _send(writer: asyncio.StreamWriter, status: str, data: dict[str, Any]) -> None:
    body = json.dumps(data).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
