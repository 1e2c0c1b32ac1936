"""What servers stream besides words: pings, holes, errors and silence, over real HTTP and byte for byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from pipeline.apology import Apologetic
from pipeline.decoders.decoder import (
    Close,
    DecoderError,
    Finished,
    Open,
    Sampling,
    Text,
    Thought,
    Token,
    ToolCall,
    Written,
)
from pipeline.decoders.openai import OpenAi, OpenAiContext
from pipeline.decoders.openai_stream import Chunk

TIMEOUT_S = 20
SAMPLING = Sampling(0, 1, 24)
SORRY = "Sorry, say that again."


def event(chunk: object) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def delta(finish_reason: str | None = None, **fields: object) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]})


def call(index: int | None = 0, id: str | None = None, name: str | None = None, arguments: str = "") -> bytes:
    return delta(tool_calls=[{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}])


WORDS = (delta(role="assistant", content=""), delta(content="It is"), delta(content=" a bell."))
STOP = delta("stop")
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 90, "completion_tokens": 4, "total_tokens": 94}


class Server:
    """Answers each request with the next of `streams`, the last of them again and again.

    Each piece waits for `go_on`, if there is one. Behind the last, `endless` is repeated until the client hangs up.
    """

    def __init__(
        self,
        *streams: Sequence[bytes],
        content_type: str = "text/event-stream",
        go_on: asyncio.Semaphore | None = None,
        endless: bytes = b"",
    ) -> None:
        self._streams = list(streams)
        self._content_type = content_type
        self._go_on = go_on
        self._endless = endless
        self.asked = 0
        self.connections: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(asyncio.current_task())
        try:
            while True:
                await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length"))
        await reader.readexactly(length)
        self.asked += 1
        stream = self._streams.pop(0) if len(self._streams) > 1 else self._streams[0]
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {self._content_type}\r\n".encode())
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in stream:
            if self._go_on is not None:
                await self._go_on.acquire()
            await _write(writer, piece)
        while self._endless:
            await _write(writer, self._endless)
            await asyncio.sleep(0)
        await _write(writer, b"")


async def _write(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """One chunk of the body; an empty one is its end."""
    writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    await writer.drain()


@asynccontextmanager
async def asking(server: Server) -> AsyncIterator[OpenAiContext]:
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        decoder = OpenAi(f"http://127.0.0.1:{port}/v1", "", "any", capacity=512, timeout_s=TIMEOUT_S)
        context = decoder.open("Be brief.")
        await context.append([Open("user"), Text("What is this?"), Close("user")])
        try:
            yield context
        finally:
            await decoder.close()
            await asyncio.wait([task for task in server.connections if task is not None])


async def written(context: OpenAiContext) -> list[Written]:
    return [part async for part in context.generate(SAMPLING)]


async def answer(server: Server) -> list[Written]:
    async with asking(server) as context:
        return await written(context)


async def settle() -> None:
    """Let what is on its way arrive."""
    for _ in range(200):
        await asyncio.sleep(0)


def words(parts: Sequence[Written]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Token))


class Clock:
    """The loop's, put forward by hand."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        real = loop.time
        self._ahead_s = 0.0
        loop.time = lambda: real() + self._ahead_s  # type: ignore[method-assign]

    def forward(self, seconds: float) -> None:
        self._ahead_s += seconds


HARMLESS = {
    "usage without choices": event({"usage": USAGE}),
    "choices null": event({"choices": None}),
    "no delta": event({"choices": [{"index": 0, "finish_reason": None}]}),
    "delta null": event({"choices": [{"index": 0, "delta": None}]}),
    "null": b"data: null\n\n",
    "empty data": b"data: \n\n",
    "ping": b"event: ping\n\n",
    "when to come again": b"retry: 10\n\n",
    "id": b"id: 3\n\n",
    "comment": b": ping\n\n",
}


@pytest.mark.parametrize("harmless", HARMLESS.values(), ids=HARMLESS)
async def test_what_means_nothing_is_passed_over(harmless: bytes) -> None:
    stream = [piece for word in (*WORDS, STOP) for piece in (harmless, word)]
    server = Server([*stream, harmless, DONE])
    parts = await answer(server)
    assert words(parts) == "It is a bell."
    assert isinstance(parts[-1], Finished)
    assert server.asked == 1


FAULTS = {
    "error": [event({"error": {"message": "out of memory"}}), STOP, DONE],
    "error without words": [event({"error": {}}), STOP, DONE],
    "error beside choices": [event({"error": {"message": "out of memory"}, "choices": []}), STOP, DONE],
    "error as a chunk": [event({"object": "error", "message": "out of memory", "code": 500}), STOP, DONE],
    "detail": [event({"detail": "out of memory"}), STOP, DONE],
    "event": [b'event: error\ndata: {"message": "out of memory"}\n\n', STOP, DONE],
    "no object": [event(["out of memory"]), STOP, DONE],
    "content of another type": [delta(content=["It is"]), STOP, DONE],
    "broken JSON": [b'data: {"choices": [\n\n', STOP, DONE],
    "lost": [],
}
"""What comes in the place of the next word, and behind it."""


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_fault_before_the_first_word_is_asked_about_once_more(fault: list[bytes]) -> None:
    server = Server([WORDS[0], *fault], [*WORDS, STOP, DONE])
    assert words(await answer(server)) == "It is a bell."
    assert server.asked == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_an_answer_with_a_fault_in_it_breaks_off_with_an_apology(fault: list[bytes]) -> None:
    server = Server([*WORDS[:2], *fault])
    async with asking(server) as context:
        apologetic = Apologetic(context.generate(SAMPLING), SORRY)  # type: ignore[arg-type]
        assert words([part async for part in apologetic.parts()]) == f"It is... {SORRY}"
        assert isinstance(apologetic.error, DecoderError)
    assert server.asked == 1


async def test_letters_that_are_none_are_no_fault() -> None:
    broken = delta(content="It is@").replace(b"@", b"\xff")
    assert words(await answer(Server([broken, STOP, DONE]))) == "It is\N{REPLACEMENT CHARACTER}"


async def test_what_streams_no_events_is_told() -> None:
    with pytest.raises(DecoderError, match="text/html"):
        await answer(Server([b"login"], content_type="text/html"))


@pytest.mark.parametrize("end", [[STOP], [STOP, DONE], [DONE], [delta(""), DONE]])
async def test_an_answer_is_whole_with_a_reason_or_the_usual_end(end: list[bytes]) -> None:
    server = Server([*WORDS, *end])
    parts = await answer(server)
    assert words(parts) == "It is a bell."
    assert parts[-1] == Finished("stop", 0, 0, 0)
    assert server.asked == 1


@pytest.mark.parametrize("end", [[], [delta("")]])
async def test_without_either_it_is_broken_off(end: list[bytes]) -> None:
    with pytest.raises(DecoderError, match="in the middle of the answer"):
        await answer(Server([*WORDS, *end]))


async def test_the_next_answer_comes_over_the_same_connection() -> None:
    server = Server([*WORDS, STOP, DONE])
    async with asking(server) as context:
        for _ in range(3):
            assert words(await written(context)) == "It is a bell."
    assert (server.asked, len(server.connections)) == (3, 1)


async def test_behind_its_end_an_answer_is_not_waited_for() -> None:
    async with asyncio.timeout(10):
        assert words(await answer(Server([*WORDS, STOP, DONE], endless=b": ping\n\n"))) == "It is a bell."


TALKATIVE = {
    "pings": b": ping\n\n",
    "events": b"event: ping\n\n",
    "no words": delta(role="assistant", content=""),
    "no deltas": event({"choices": [], "usage": USAGE}),
}


@pytest.mark.parametrize("endless", TALKATIVE.values(), ids=TALKATIVE)
@pytest.mark.parametrize("begun", [(), (delta(reasoning="Hm."),), WORDS], ids=["at first", "thought", "said"])
async def test_to_keep_the_connection_open_is_not_to_answer(endless: bytes, begun: tuple[bytes, ...]) -> None:
    server = Server(begun, endless=endless)
    clock = Clock()
    async with asking(server) as context, asyncio.timeout(2 * TIMEOUT_S):
        parts = aiter(context.generate(SAMPLING))
        for _ in [piece for piece in begun if piece is not WORDS[0]]:
            await anext(parts)
        waiting = asyncio.ensure_future(anext(parts))
        for _ in range(2):
            await settle()
            assert not waiting.done()
            clock.forward(0.6 * TIMEOUT_S)
        with pytest.raises(DecoderError, match="timed out, with no word for 20 s"):
            await waiting
    assert server.asked == 1


async def test_thoughts_words_and_calls_each_renew_the_wait() -> None:
    calls = [call(0, "1", "clock", "{"), call(0, None, None, "}")]
    pieces = [delta(reasoning="Hm."), delta(content="Well."), *calls, STOP]
    go_on = asyncio.Semaphore(0)
    server = Server(pieces, go_on=go_on)
    clock = Clock()
    async with asking(server) as context:
        reading = asyncio.create_task(written(context))
        for _ in pieces:
            await settle()
            clock.forward(0.6 * TIMEOUT_S)
            go_on.release()
        parts = await reading
    assert parts[:-1] == [Thought("Hm."), Token("Well."), ToolCall("clock", "{}")]
    assert server.asked == 1


async def test_the_time_that_a_listener_takes_is_not_the_servers() -> None:
    clock = Clock()
    async with asking(Server([*WORDS, STOP, DONE])) as context:
        parts = []
        async for part in context.generate(SAMPLING):
            parts.append(part)
            clock.forward(2 * TIMEOUT_S)
    assert words(parts) == "It is a bell."


@pytest.mark.parametrize(
    ("fields", "says_something"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"content": None, "reasoning_content": None, "tool_calls": None}, False),
        ({"tool_calls": []}, False),
        ({"content": " "}, True),
        ({"reasoning": "Hm"}, True),
        ({"reasoning_content": "Hm"}, True),
        ({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}, True),
    ],
)
def test_what_counts_as_a_sign_of_life(fields: dict[str, object], says_something: bool) -> None:
    chunk = Chunk.model_validate({"choices": [{"delta": fields}]})
    assert chunk.says_something == says_something


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        ([call(0, "1", "f", '{"a'), call(0, None, None, '": 1}')], [ToolCall("f", '{"a": 1}')]),
        ([call(0, "1", "f", "{"), call(0, "1", "f", "}")], [ToolCall("f", "{}")]),
        ([call(0, "1", "f", "{"), call(0, None, "f", "}")], [ToolCall("f", "{}")]),
        ([call(0, "1", "f", "{"), call(0, "2", None, "}")], [ToolCall("f", "{}")]),
        ([call(0, "1", "f", "{}"), call(0, "2", "g", "{}")], [ToolCall("f", "{}"), ToolCall("g", "{}")]),
        (
            [call(0, "1", "f", "{"), call(1, "2", "g", "{}"), call(0, None, None, "}")],
            [ToolCall("f", "{}"), ToolCall("g", "{}")],
        ),
        ([call(None, "1", "f", "{}"), call(None, "2", "f", "{}")], [ToolCall("f", "{}"), ToolCall("f", "{}")]),
    ],
    ids=[
        "in pieces",
        "name in each",
        "name without id",
        "another id in each",
        "one index for all",
        "in turn",
        "no index",
    ],
)
async def test_calls_are_put_together(deltas: list[bytes], calls: list[ToolCall]) -> None:
    parts = await answer(Server([*deltas, delta("tool_calls"), DONE]))
    assert parts[:-1] == calls
