"""What a llama.cpp server at a URL may send: it is not ours, and its answers are bounded."""

import pytest

from pipeline.decoders.decoder import UpstreamError
from pipeline.decoders.llama_cpp.llama_server import LlamaServer
from tests.support.chat_server import ServerOfBytes

BODY = {"messages": [{"role": "user", "content": "Hello."}]}
"""What the stand-in, which speaks the chat API, takes for a request."""


async def test_events_come_line_by_line_however_they_are_cut() -> None:
    server = ServerOfBytes(
        [b'data: {"con', b'tent": "It is"}\r\n\r\ndata: {"content": " half past."}\n', b"\ndata: [DONE]"]
    )
    async with server.running():
        llama = LlamaServer(server.url, "", 20)
        assert [event["content"] async for event in llama.stream(BODY)] == ["It is", " half past."]
        await llama.close()


async def test_an_event_without_an_end_is_given_up() -> None:
    async with ServerOfBytes([b"data: "], endless=b"x" * 65_536).running() as server:
        llama = LlamaServer(server.url, "", 20)
        with pytest.raises(UpstreamError, match="an event of more than"):
            _ = [event async for event in llama.stream(BODY)]
        await llama.close()


async def test_an_answer_without_an_end_is_given_up() -> None:
    async with ServerOfBytes([b"{"], endless=b" " * 65_536).running() as server:
        llama = LlamaServer(server.url, "", 20)
        with pytest.raises(UpstreamError, match="has more than"):
            await llama.call("POST", "/tokenize", BODY)
        await llama.close()
