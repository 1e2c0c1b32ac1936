"""The recognizer of a transcription server, tested against an HTTP server on the loopback interface."""

import asyncio
import io
import json
import re
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from audio.pcm import INPUT_RATE, Pcm, silence
from pipeline.encoders import transcription_server
from pipeline.encoders.encoder import on_thread
from pipeline.encoders.transcription_server import ATTEMPTS, TranscriptionFailed, TranscriptionServerEncoder
from pipeline.runtime.workers import Urgency, Workers

Answer = tuple[int, bytes]


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.hangs_up:
            return
        fields = dict(re.findall(rb'name="(\w+)"\r\n\r\n(.*?)\r\n', body))
        self.server.fields.append({key.decode(): value.decode() for key, value in fields.items()})
        self.server.keys.append(self.headers.get("Authorization"))
        with wave.open(io.BytesIO(body[body.index(b"RIFF") :])) as file:
            self.server.seconds.append(file.getnframes() / file.getframerate())
        status, answer = self.server.answer(self.server.seconds[-1])
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


class Server(ThreadingHTTPServer):
    """A stand-in that notes what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fields: list[dict[str, str]] = []
        self.keys: list[str | None] = []
        self.seconds: list[float] = []
        self.hangs_up = False
        self.answer: Callable[[float], Answer] = lambda seconds: words(f"{seconds:g} seconds")


def words(text: str) -> Answer:
    return 200, json.dumps({"text": text}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def encoder(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[TranscriptionServerEncoder]:
    monkeypatch.setattr(transcription_server, "AGAIN_S", 0)
    url = f"http://127.0.0.1:{server.server_port}/v1/"
    with closing(TranscriptionServerEncoder(url, api_key="key", model="whisper-1", language="en")) as made:
        yield made


def sound(seconds: float) -> Pcm:
    return np.full(round(seconds * INPUT_RATE), 0.1, np.float32)


def test_the_request_is_the_api_s(server: Server, encoder: TranscriptionServerEncoder) -> None:
    assert encoder.transcribe(sound(1)) == "1 seconds"
    assert server.fields == [{"response_format": "json", "model": "whisper-1", "language": "en"}]
    assert server.keys == ["Bearer key"]


def test_what_is_not_known_is_left_to_the_server(server: Server) -> None:
    with closing(TranscriptionServerEncoder(f"http://127.0.0.1:{server.server_port}/v1")) as encoder:
        encoder.warm_up()
    assert server.fields == [{"response_format": "json"}]
    assert server.keys == [None]


def test_each_hop_brings_a_pass_over_all_of_it(server: Server, encoder: TranscriptionServerEncoder) -> None:
    stream = encoder.open()
    assert stream.push(sound(0.25)).text == ""
    assert stream.push(sound(0.25)).text == "0.5 seconds"
    heard = stream.push(sound(0.25))
    assert (heard.committed, heard.tentative) == ("", " 0.5 seconds")
    assert server.seconds == [0.5]


def test_the_end_is_read_once(server: Server, encoder: TranscriptionServerEncoder) -> None:
    stream = encoder.open()
    stream.push(sound(0.75))
    assert stream.finish() == stream.finish()
    assert server.seconds == [0.75]
    stream.push(sound(0.125))
    assert stream.finish().text == "0.875 seconds"


def test_nothing_is_asked_about_nothing(server: Server, encoder: TranscriptionServerEncoder) -> None:
    stream = encoder.open()
    stream.push(silence(0))
    assert stream.finish().text == ""
    assert server.seconds == []


def test_a_long_utterance_is_cut_in_silence_and_its_beginning_committed(
    server: Server, encoder: TranscriptionServerEncoder
) -> None:
    stream = encoder.open()
    spoken = np.concatenate([sound(17), silence(INPUT_RATE), sound(12)])
    heard = stream.push(spoken)
    closed, rest = server.seconds
    assert 17 <= closed <= 18
    assert closed + rest == 30
    assert heard.committed == f" {closed:g} seconds"
    assert heard.tentative == f" {rest:g} seconds"
    assert stream.finish().text == f"{closed:g} seconds {rest:g} seconds"


def test_a_silent_window_commits_nothing(server: Server, encoder: TranscriptionServerEncoder) -> None:
    server.answer = lambda seconds: words(" ")
    stream = encoder.open()
    stream.push(sound(30))
    assert stream.finish().committed == ""


def test_a_server_that_is_busy_is_asked_again(server: Server, encoder: TranscriptionServerEncoder) -> None:
    answers = [(503, b"starting"), (429, b"wait"), words("Hello.")]
    server.answer = lambda seconds: answers.pop(0)
    assert encoder.transcribe(sound(1)) == "Hello."


def test_a_refusal_says_why(server: Server, encoder: TranscriptionServerEncoder) -> None:
    server.answer = lambda seconds: (401, b"no such key")
    with pytest.raises(TranscriptionFailed, match="refuses with 401: no such key"):
        encoder.transcribe(sound(1))
    assert len(server.seconds) == 1
    server.answer = lambda seconds: (503, b"")
    with pytest.raises(TranscriptionFailed, match="refuses with 503: Service Unavailable"):
        encoder.transcribe(sound(1))
    assert len(server.seconds) == 1 + ATTEMPTS


@pytest.mark.parametrize("answer", [b"Hello.", b"[]", b'{"texts": 1}'])
def test_an_answer_without_a_text_fails(server: Server, encoder: TranscriptionServerEncoder, answer: bytes) -> None:
    server.answer = lambda seconds: (200, answer)
    with pytest.raises(TranscriptionFailed, match="answers without a text"):
        encoder.transcribe(sound(1))


def test_a_server_that_hangs_up_fails_a_pass_and_not_the_utterance(
    server: Server, encoder: TranscriptionServerEncoder
) -> None:
    stream = encoder.open()
    server.hangs_up = True
    with pytest.raises(TranscriptionFailed, match="does not answer"):
        stream.push(sound(1))
    server.hangs_up = False
    assert stream.finish().text == "1 seconds"


async def test_waiting_for_the_server_holds_up_no_worker(server: Server, encoder: TranscriptionServerEncoder) -> None:
    workers, arrived, go = Workers(1), threading.Event(), threading.Event()

    def later(seconds: float) -> Answer:
        arrived.set()
        go.wait()
        return words("At last.")

    server.answer = later
    stream = encoder.open()
    try:
        hearing = asyncio.create_task(on_thread(workers, Urgency.TAIL, stream, lambda: stream.push(sound(1))))
        await asyncio.to_thread(arrived.wait)
        assert await workers.run(Urgency.DETECT, lambda: 1) == 1
        go.set()
        assert (await hearing).text == "At last."
    finally:
        go.set()
        workers.close()
