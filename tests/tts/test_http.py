"""A voice of a speech server, against a real one on the loopback."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

import numpy as np
import pytest

from tts.chunks import BEFORE_S, CHUNK_S
from tts.http import ATTEMPTS, RATE, Http
from tts.synthesizer import Clause, Pcm, SpeechFailed, UnknownVoice, Word, WordTime

HELLO = Clause((Word("Hello", "hello,"), Word("2", "two"), Word("😀", ""), Word("worlds", "worlds")), ".")


def tone(seconds: float) -> bytes:
    return (8000 * np.sin(np.arange(round(seconds * RATE)))).astype("<i2").tobytes()


Body = Callable[["Handler"], None]
"""What a server does with a request, after it was read."""


@dataclass
class Request:
    path: str
    key: str
    peer: int
    body: dict[str, object]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "SpeechServer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        peer = self.client_address[1]
        self.server.requests.append(Request(self.path, self.headers.get("Authorization", ""), peer, body))
        self.server.bodies.pop(0)(self)

    def begin(self, status: int = 200, kind: str = "audio/pcm") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


class SpeechServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[Body] = []
        self.requests: list[Request] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Be quiet: clients go away in these tests."""


@pytest.fixture
def server() -> Iterator[SpeechServer]:
    with SpeechServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def http(server: SpeechServer) -> Iterator[Http]:
    with closing(
        Http(f"http://127.0.0.1:{server.server_port}/v1", ["alloy", "nova"], api_key="key", model="tts-1", timeout_s=10)
    ) as http:
        yield http


def says(*pieces: bytes, kind: str = "audio/pcm") -> Body:
    def body(handler: Handler) -> None:
        handler.begin(kind=kind)
        for piece in (*pieces, b""):
            handler.send(piece)

    return body


def no_gzip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", "5")
    handler.end_headers()
    handler.wfile.write(b"hello")


def refuses(status: int, message: str = "") -> Body:
    def body(handler: Handler) -> None:
        handler.begin(status, "application/json")
        if message:
            handler.send(message.encode())
        handler.send(b"")

    return body


def hangs_up(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(2)


def breaks_off(handler: Handler) -> None:
    handler.begin()
    handler.send(tone(0.5))
    handler.wfile.flush()
    hangs_up(handler)


def heard(http: Http, clause: Clause = HELLO) -> tuple[Pcm, list[WordTime]]:
    speech = list(http.open("nova").speak(clause))
    assert all(chunk.pcm.size <= CHUNK_S * RATE for chunk in speech)
    return np.concatenate([chunk.pcm for chunk in speech]), [word for chunk in speech for word in chunk.words]


def test_asks_for_raw_sound_and_gives_all_of_it(server: SpeechServer, http: Http) -> None:
    sound = tone(1.0)
    server.bodies += [says(sound[:1], sound[1:1001], sound[1001:40_002], sound[40_002:])]
    pcm, words = heard(http)
    assert np.array_equal(pcm, np.frombuffer(sound, "<i2").astype(np.float32) / 32768)
    [request] = server.requests
    assert (request.path, request.key) == ("/v1/audio/speech", "Bearer key")
    assert request.body == {
        "model": "tts-1",
        "voice": "nova",
        "input": "hello, two worlds.",
        "response_format": "pcm",
        "speed": 1.0,
    }
    assert [word.index for word in words] == [0, 1, 2, 3]
    assert words[0].start == 0
    assert words[2].start == words[2].end == words[3].start


def test_the_first_sound_is_there_before_the_last_is_made(server: SpeechServer, http: Http) -> None:
    go_on = threading.Event()

    def slow(handler: Handler) -> None:
        handler.begin()
        handler.send(tone(0.1))
        handler.wfile.flush()
        go_on.wait()
        handler.send(tone(0.1))
        handler.send(b"")

    server.bodies += [slow]
    chunks = http.open("nova").speak(HELLO)
    first = next(chunks)
    assert first.pcm.size == 0.1 * RATE
    go_on.set()
    assert sum(chunk.pcm.size for chunk in chunks) == 0.1 * RATE


def test_leading_silence_is_trimmed(server: SpeechServer, http: Http) -> None:
    server.bodies += [says(bytes(2 * RATE), tone(0.5))]
    pcm, _ = heard(http)
    assert pcm.size == pytest.approx((0.5 + BEFORE_S) * RATE, abs=2)


def test_a_connection_serves_many_clauses(server: SpeechServer, http: Http) -> None:
    server.bodies += [says(tone(0.3)) for _ in range(3)]
    for _ in range(3):
        heard(http)
    assert len({request.peer for request in server.requests}) == 1


@pytest.mark.parametrize(
    "kind", ["audio/pcm", "audio/pcm;rate=24000", "audio/L16; rate=24000; channels=1", "audio/x-raw"]
)
def test_raw_sound_has_many_names(server: SpeechServer, http: Http, kind: str) -> None:
    server.bodies += [says(tone(0.3), kind=kind)]
    assert heard(http)[0].size == 0.3 * RATE


@pytest.mark.parametrize("failure", [refuses(503), refuses(429), hangs_up, no_gzip])
def test_tries_again_before_the_first_sound(server: SpeechServer, http: Http, failure: Body) -> None:
    server.bodies += [failure, says(tone(0.3))]
    assert heard(http)[0].size == 0.3 * RATE
    assert len(server.requests) == 2


def test_gives_up_after_some_attempts(server: SpeechServer, http: Http) -> None:
    server.bodies += [hangs_up] * 5
    with pytest.raises(SpeechFailed, match=r"audio/speech does not answer"):
        heard(http)
    assert len(server.requests) == ATTEMPTS


def test_a_busy_server_is_named_in_the_end(server: SpeechServer, http: Http) -> None:
    server.bodies += [refuses(503, '{"error": "loading"}')] * ATTEMPTS
    with pytest.raises(SpeechFailed, match=r"refuses with 503.*loading"):
        heard(http)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (refuses(401, '{"error": "no such key"}'), "refuses with 401: .*no such key"),
        (refuses(404), "refuses with 404: Not Found"),
        (refuses(200, '{"error": "oops"}'), "answers with application/json"),
        (says(tone(0.3), kind="audio/mpeg"), "answers with audio/mpeg where raw sound"),
        (says(tone(0.3), kind="audio/x-wav"), "answers with audio/x-wav"),
        (says(tone(0.3), kind="audio/pcm; rate=44100"), "rate=44100"),
        (says(tone(0.3), kind="audio/L16;rate=24000;channels=2"), "channels=2"),
        (says(), "sends no sound"),
    ],
)
def test_what_another_attempt_does_not_mend_is_told_at_once(
    server: SpeechServer, http: Http, failure: Body, message: str
) -> None:
    server.bodies += [failure]
    with pytest.raises(SpeechFailed, match=message):
        heard(http)
    assert len(server.requests) == 1


def test_a_clause_that_is_cut_off_is_not_said_twice(server: SpeechServer, http: Http) -> None:
    server.bodies += [breaks_off, says(tone(0.3))]
    chunks = http.open("nova").speak(HELLO)
    sizes: list[int] = []
    with pytest.raises(SpeechFailed, match="broke off"):
        sizes.extend(chunk.pcm.size for chunk in chunks)
    assert sum(sizes) == 0.5 * RATE
    assert len(server.requests) == 1
    assert heard(http)[0].size == 0.3 * RATE


def test_only_english_is_spelled_out(server: SpeechServer) -> None:
    for language, text in (("", "hello, two worlds."), ("en-GB", "hello, two worlds."), ("de", "Hello 2 worlds")):
        server.requests.clear()
        server.bodies += [says(tone(0.1))]
        with closing(Http(f"http://127.0.0.1:{server.server_port}/v1", ["nova"], language=language)) as http:
            list(http.open("nova").speak(HELLO))
        [request] = server.requests
        assert request.body["input"] == text


def test_a_server_that_stalls_is_given_up(server: SpeechServer) -> None:
    stalled = threading.Event()

    def stalls(handler: Handler) -> None:
        handler.begin()
        handler.send(tone(0.1))
        handler.wfile.flush()
        stalled.wait()

    server.bodies += [stalls]
    with closing(Http(f"http://127.0.0.1:{server.server_port}/v1", ["nova"], timeout_s=1)) as http:
        chunks = http.open("nova").speak(HELLO)
        next(chunks)
        with pytest.raises(SpeechFailed, match="broke off: ReadTimeout"):
            next(chunks)
    stalled.set()


def test_a_server_that_says_nothing_is_not_waited_for_again(server: SpeechServer) -> None:
    silent = threading.Event()

    def says_nothing(handler: Handler) -> None:
        silent.wait()

    server.bodies += [says_nothing] * ATTEMPTS
    with closing(Http(f"http://127.0.0.1:{server.server_port}/v1", ["nova"], timeout_s=0.5)) as http:
        with pytest.raises(SpeechFailed, match="does not answer: ReadTimeout"):
            heard(http)
        assert len(server.requests) == 1
    silent.set()


def test_who_waits_when_it_is_closed_is_told(server: SpeechServer) -> None:
    left = threading.Event()

    def waits(handler: Handler) -> None:
        handler.begin()
        handler.send(tone(0.1))
        handler.wfile.flush()
        assert handler.connection.recv(1) == b""
        handler.close_connection = True
        left.set()

    server.bodies += [waits]
    http = Http(f"http://127.0.0.1:{server.server_port}/v1", ["nova"])
    chunks = http.open("nova").speak(HELLO)
    next(chunks)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(next, chunks)
        http.close()
        with pytest.raises(SpeechFailed):
            waiting.result()
    assert left.wait(10)


def test_closing_the_iterator_stops_the_server(server: SpeechServer, http: Http) -> None:
    ended = SimpleQueue[str]()

    def endless(handler: Handler) -> None:
        handler.begin()
        try:
            while True:
                handler.send(tone(1.0))
        except OSError as error:
            ended.put(type(error).__name__)
            handler.close_connection = True

    server.bodies += [endless, says(tone(0.3))]
    chunks = http.open("nova").speak(HELLO)
    assert isinstance(chunks, Iterator)
    next(chunks)
    del chunks
    assert ended.get(timeout=10) in ("BrokenPipeError", "ConnectionResetError")
    assert heard(http)[0].size == 0.3 * RATE


def test_silent_words_need_no_server(http: Http) -> None:
    pcm, words = heard(http, Clause((Word("😀", ""),)))
    assert (pcm.size, words) == (0, [WordTime(0, 0, 0)])


def test_word_times_follow_the_pace_of_what_was_said(server: SpeechServer, http: Http) -> None:
    server.bodies += [says(tone(4.0)), says(tone(4.0))]
    voice = http.open("nova")
    ends = []
    for _ in range(2):
        words = [word for chunk in voice.speak(HELLO) for word in chunk.words]
        ends.append(words[-1].end / RATE)
    assert ends[0] < ends[1] < 4


def test_words_end_with_a_speech_that_is_over_early(server: SpeechServer, http: Http) -> None:
    server.bodies += [says(tone(0.1))]
    _, words = heard(http)
    assert [word.index for word in words] == [0, 1, 2, 3]
    assert words[-1].end == 0.1 * RATE


def test_an_unknown_voice_is_refused_by_name(http: Http) -> None:
    with pytest.raises(UnknownVoice, match="alloy, nova"):
        http.open("nobody")
