"""A stand-in for the server of a decoder or a voice, to be killed and suspended: `… -m bench.abuse.upstream PORT`."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from realtime.protocol.audio_format import WIRE_RATE

ANSWER = " ".join(f"It is {hour} o'clock in the morning." for hour in range(1, 13)) + " " + "And so it goes on. " * 4
"""Long enough to be killed in the middle of."""
_TOKEN_S = 0.05
"""Time between two words: that of a small model on one core."""
_WORD_S = 0.3
"""Length of a word that is spoken."""
_FASTER = 5
"""How much faster than heard it is made."""


async def answer(request: Request) -> StreamingResponse:
    """Stream `ANSWER` word by word, as a chat completion; a word counts as a token."""
    wanted = await request.json()
    most = wanted.get("max_completion_tokens") or wanted.get("max_tokens")
    return StreamingResponse(_events(most), media_type="text/event-stream")


async def _events(most: int | None) -> AsyncIterator[str]:
    for word in ANSWER.split()[:most]:
        yield _event({"choices": [{"index": 0, "delta": {"content": f"{word} "}}]})
        await asyncio.sleep(_TOKEN_S)
    yield _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield "data: [DONE]\n\n"


async def speak(request: Request) -> StreamingResponse:
    """Stream a tone as long as the words, as raw speech, faster than it is heard."""
    words = (await request.json())["input"].split()
    return StreamingResponse(_tone(len(words)), media_type="audio/pcm")


async def _tone(words: int) -> AsyncIterator[bytes]:
    time = np.arange(round(_WORD_S * WIRE_RATE)) / WIRE_RATE
    word = (8_000 * np.sin(2 * np.pi * 220 * time)).astype("<i2").tobytes()
    for _ in range(words):
        yield word
        await asyncio.sleep(_WORD_S / _FASTER)


def _event(chunk: dict[str, object]) -> str:
    return f"data: {json.dumps({'id': 'x', 'object': 'chat.completion.chunk', 'model': 'stand-in', **chunk})}\n\n"


if __name__ == "__main__":
    routes = [
        Route("/v1/chat/completions", answer, methods=["POST"]),
        Route("/v1/audio/speech", speak, methods=["POST"]),
    ]
    app = Starlette(routes=routes)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
