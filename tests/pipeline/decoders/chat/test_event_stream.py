"""What servers stream besides words: pings, missing fields, errors and silence, over real HTTP, byte for byte."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from pipeline.answering.fallback import Apologetic
from pipeline.decoders.chat.chat_completions import ChatContext, ChatDecoder
from pipeline.decoders.chat.event_stream import Chunk
from pipeline.decoders.decoder import (
    Close,
    DecoderError,
    Finished,
    Generated,
    Open,
    Sampling,
    Text,
    Thought,
    Token,
    ToolCall,
)
from tests.support.chat_server import ServerOfBytes

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


@asynccontextmanager
async def asking(server: ServerOfBytes) -> AsyncIterator[ChatContext]:
    async with server.running():
        decoder = ChatDecoder(server.url, "", "any", capacity=512, timeout_s=TIMEOUT_S)
        context = decoder.open("Be brief.")
        await context.append([Open("user"), Text("What is this?"), Close("user")])
        try:
            yield context
        finally:
            await decoder.close()
            await asyncio.wait([task for task in server.connections if task is not None])


async def written(context: ChatContext) -> list[Generated]:
    return [part async for part in context.generate(SAMPLING)]


async def answer(server: ServerOfBytes) -> list[Generated]:
    async with asking(server) as context:
        return await written(context)


async def settle() -> None:
    """Let everything in transit arrive."""
    for _ in range(200):
        await asyncio.sleep(0)


def words(parts: Sequence[Generated]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Token))


class Clock:
    """The event loop's clock, advanced by hand."""

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
    server = ServerOfBytes([*stream, harmless, DONE])
    parts = await answer(server)
    assert words(parts) == "It is a bell."
    assert isinstance(parts[-1], Finished)
    assert len(server.asked) == 1


FAULTS = {
    "error": [event({"error": {"message": "out of memory"}}), STOP, DONE],
    "error without words": [event({"error": {}}), STOP, DONE],
    "error alongside choices": [event({"error": {"message": "out of memory"}, "choices": []}), STOP, DONE],
    "error as a chunk": [event({"object": "error", "message": "out of memory", "code": 500}), STOP, DONE],
    "detail": [event({"detail": "out of memory"}), STOP, DONE],
    "event": [b'event: error\ndata: {"message": "out of memory"}\n\n', STOP, DONE],
    "no object": [event(["out of memory"]), STOP, DONE],
    "content of another type": [delta(content=["It is"]), STOP, DONE],
    "broken JSON": [b'data: {"choices": [\n\n', STOP, DONE],
    "lost": [],
}
"""What arrives instead of the next word, and after it."""


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_fault_before_the_first_word_is_asked_about_once_more(fault: list[bytes]) -> None:
    server = ServerOfBytes([WORDS[0], *fault], [*WORDS, STOP, DONE])
    assert words(await answer(server)) == "It is a bell."
    assert len(server.asked) == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_an_answer_with_a_fault_in_it_breaks_off_with_an_apology(fault: list[bytes]) -> None:
    server = ServerOfBytes([*WORDS[:2], *fault])
    async with asking(server) as context:
        apologetic = Apologetic(context.generate(SAMPLING), lambda error: SORRY)  # type: ignore[arg-type]
        assert words([part async for part in apologetic.parts()]) == f"It is... {SORRY}"
        assert isinstance(apologetic.error, DecoderError)
    assert len(server.asked) == 1


async def test_letters_that_are_none_are_no_fault() -> None:
    broken = delta(content="It is@").replace(b"@", b"\xff")
    assert words(await answer(ServerOfBytes([broken, STOP, DONE]))) == "It is\N{REPLACEMENT CHARACTER}"


async def test_what_streams_no_events_is_told() -> None:
    with pytest.raises(DecoderError, match="text/html"):
        await answer(ServerOfBytes([b"login"], content_type="text/html"))


@pytest.mark.parametrize("end", [[STOP], [STOP, DONE], [DONE], [delta(""), DONE]])
async def test_an_answer_is_whole_with_a_reason_or_the_usual_end(end: list[bytes]) -> None:
    server = ServerOfBytes([*WORDS, *end])
    parts = await answer(server)
    assert words(parts) == "It is a bell."
    assert parts[-1] == Finished("stop", 0, 0, 0)
    assert len(server.asked) == 1


async def test_of_an_answer_that_is_stopped_the_pieces_are_counted() -> None:
    async with asking(ServerOfBytes([*WORDS, STOP, DONE])) as context:
        parts = context.generate(SAMPLING)
        assert isinstance(parts, AsyncGenerator)
        async with aclosing(parts):
            await anext(parts)
        assert context.so_far == Finished("stop", 0, 0, 1)


@pytest.mark.parametrize("end", [[], [delta("")]])
async def test_without_either_it_is_broken_off(end: list[bytes]) -> None:
    with pytest.raises(DecoderError, match="in the middle of the answer"):
        await answer(ServerOfBytes([*WORDS, *end]))


async def test_the_next_answer_comes_over_the_same_connection() -> None:
    server = ServerOfBytes([*WORDS, STOP, DONE])
    async with asking(server) as context:
        for _ in range(3):
            assert words(await written(context)) == "It is a bell."
    assert (len(server.asked), len(server.connections)) == (3, 1)


async def test_behind_its_end_an_answer_is_not_waited_for() -> None:
    async with asyncio.timeout(10):
        assert words(await answer(ServerOfBytes([*WORDS, STOP, DONE], endless=b": ping\n\n"))) == "It is a bell."


TALKATIVE = {
    "pings": b": ping\n\n",
    "events": b"event: ping\n\n",
    "no words": delta(role="assistant", content=""),
    "no deltas": event({"choices": [], "usage": USAGE}),
}


@pytest.mark.parametrize("endless", TALKATIVE.values(), ids=TALKATIVE)
@pytest.mark.parametrize("begun", [(), (delta(reasoning="Hm."),), WORDS], ids=["at first", "thought", "said"])
async def test_to_keep_the_connection_open_is_not_to_answer(endless: bytes, begun: tuple[bytes, ...]) -> None:
    server = ServerOfBytes(begun, endless=endless)
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
    assert len(server.asked) == 1


async def test_thoughts_words_and_calls_each_renew_the_wait() -> None:
    calls = [call(0, "1", "clock", "{"), call(0, None, None, "}")]
    pieces = [delta(reasoning="Hm."), delta(content="Well."), *calls, STOP]
    go_on = asyncio.Semaphore(0)
    server = ServerOfBytes(pieces, go_on=go_on)
    clock = Clock()
    async with asking(server) as context:
        reading = asyncio.create_task(written(context))
        for _ in pieces:
            await settle()
            clock.forward(0.6 * TIMEOUT_S)
            go_on.release()
        parts = await reading
    assert parts[:-1] == [Thought("Hm."), Token("Well."), ToolCall("clock", "{}")]
    assert len(server.asked) == 1


async def test_the_time_that_a_listener_takes_is_not_the_servers() -> None:
    clock = Clock()
    async with asking(ServerOfBytes([*WORDS, STOP, DONE])) as context:
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
    parts = await answer(ServerOfBytes([*deltas, delta("tool_calls"), DONE]))
    assert parts[:-1] == calls
