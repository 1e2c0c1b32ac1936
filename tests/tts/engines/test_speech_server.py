"""Voices of a speech server, tested against an HTTP server on the loopback interface."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from queue import SimpleQueue

import numpy as np
import pytest

from audio.pcm import Pcm
from tests.support.speech_server import Body, Handler, SpeechServer, tone
from tts.engines.chunks import BEFORE_S, CHUNK_S
from tts.engines.speech_server import ATTEMPTS, CHARACTER_S, LEAST_S, RATE, SpeechServerSynthesizer
from tts.synthesizer import Clause, SpeechFailed, UnknownVoice, Word, WordTime

HELLO = Clause((Word("Hello", "hello,"), Word("2", "two"), Word("😀", ""), Word("worlds", "worlds")), ".")


@pytest.fixture
def server() -> Iterator[SpeechServer]:
    with SpeechServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def http(server: SpeechServer) -> Iterator[SpeechServerSynthesizer]:
    with closing(
        SpeechServerSynthesizer(
            f"http://127.0.0.1:{server.server_port}/v1", ["alloy", "nova"], api_key="key", model="tts-1", timeout_s=10
        )
    ) as http:
        yield http


def sends(*pieces: bytes, kind: str = "audio/pcm") -> Body:
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


def received(http: SpeechServerSynthesizer, clause: Clause = HELLO) -> tuple[Pcm, list[WordTime]]:
    speech = list(http.open("nova").speak(clause))
    assert all(chunk.pcm.size <= CHUNK_S * RATE for chunk in speech)
    return np.concatenate([chunk.pcm for chunk in speech]), [word for chunk in speech for word in chunk.words]


def test_asks_for_raw_sound_and_gives_all_of_it(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    sound = tone(1.0)
    server.bodies += [sends(sound[:1], sound[1:1001], sound[1001:40_002], sound[40_002:])]
    pcm, words = received(http)
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


def test_the_first_sound_is_there_before_the_last_is_made(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
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


def test_leading_silence_is_trimmed(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    server.bodies += [sends(bytes(2 * RATE), tone(0.5))]
    pcm, _ = received(http)
    assert pcm.size == pytest.approx((0.5 + BEFORE_S) * RATE, abs=2)


def test_a_connection_serves_many_clauses(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    server.bodies += [sends(tone(0.3)) for _ in range(3)]
    for _ in range(3):
        received(http)
    assert len({request.peer for request in server.requests}) == 1


@pytest.mark.parametrize(
    "kind", ["audio/pcm", "audio/pcm;rate=24000", "audio/L16; rate=24000; channels=1", "audio/x-raw"]
)
def test_raw_sound_has_many_names(server: SpeechServer, http: SpeechServerSynthesizer, kind: str) -> None:
    server.bodies += [sends(tone(0.3), kind=kind)]
    assert received(http)[0].size == 0.3 * RATE


@pytest.mark.parametrize("failure", [refuses(503), refuses(429), hangs_up, no_gzip])
def test_tries_again_before_the_first_sound(server: SpeechServer, http: SpeechServerSynthesizer, failure: Body) -> None:
    server.bodies += [failure, sends(tone(0.3))]
    assert received(http)[0].size == 0.3 * RATE
    assert len(server.requests) == 2


def test_gives_up_after_some_attempts(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    server.bodies += [hangs_up] * 5
    with pytest.raises(SpeechFailed, match=r"audio/speech does not answer"):
        received(http)
    assert len(server.requests) == ATTEMPTS


def test_a_busy_server_is_named_in_the_end(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    server.bodies += [refuses(503, '{"error": "loading"}')] * ATTEMPTS
    with pytest.raises(SpeechFailed, match=r"refuses with 503.*loading"):
        received(http)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (refuses(401, '{"error": "no such key"}'), "refuses with 401: .*no such key"),
        (refuses(404), "refuses with 404: Not Found"),
        (refuses(200, '{"error": "oops"}'), "answers with application/json"),
        (sends(tone(0.3), kind="audio/mpeg"), "answers with audio/mpeg where raw sound"),
        (sends(tone(0.3), kind="audio/x-wav"), "answers with audio/x-wav"),
        (sends(tone(0.3), kind="audio/pcm; rate=44100"), "rate=44100"),
        (sends(tone(0.3), kind="audio/L16;rate=24000;channels=2"), "channels=2"),
        (sends(), "sent no audio"),
    ],
)
def test_an_error_that_a_retry_cannot_fix_is_raised_at_once(
    server: SpeechServer, http: SpeechServerSynthesizer, failure: Body, message: str
) -> None:
    server.bodies += [failure]
    with pytest.raises(SpeechFailed, match=message):
        received(http)
    assert len(server.requests) == 1


def test_a_clause_that_is_cut_off_is_not_said_twice(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    server.bodies += [breaks_off, sends(tone(0.3))]
    chunks = http.open("nova").speak(HELLO)
    sizes: list[int] = []
    with pytest.raises(SpeechFailed, match="broke off"):
        sizes.extend(chunk.pcm.size for chunk in chunks)
    assert sum(sizes) == 0.5 * RATE
    assert len(server.requests) == 1
    assert received(http)[0].size == 0.3 * RATE


def test_a_server_that_never_stops_is_stopped(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    def speaks_on(handler: Handler) -> None:
        handler.begin()
        with suppress(OSError):
            while True:
                handler.send(tone(0.5))

    server.bodies += [speaks_on]
    seconds: list[float] = []
    with pytest.raises(SpeechFailed, match="does not stop"):
        seconds.extend(chunk.pcm.size / RATE for chunk in http.open("nova").speak(HELLO))
    assert 0 < sum(seconds) <= LEAST_S + CHARACTER_S * len("hello, two worlds.")


def test_only_english_is_spelled_out(server: SpeechServer) -> None:
    for language, text in (("", "hello, two worlds."), ("en-GB", "hello, two worlds."), ("de", "Hello 2 worlds")):
        server.requests.clear()
        server.bodies += [sends(tone(0.1))]
        with closing(
            SpeechServerSynthesizer(f"http://127.0.0.1:{server.server_port}/v1", ["nova"], language=language)
        ) as http:
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
    with closing(SpeechServerSynthesizer(f"http://127.0.0.1:{server.server_port}/v1", ["nova"], timeout_s=1)) as http:
        chunks = http.open("nova").speak(HELLO)
        next(chunks)
        with pytest.raises(SpeechFailed, match="broke off: ReadTimeout"):
            next(chunks)
    stalled.set()


def test_a_server_that_does_not_answer_in_time_is_not_tried_again(server: SpeechServer) -> None:
    silent = threading.Event()

    def says_nothing(handler: Handler) -> None:
        silent.wait()

    server.bodies += [says_nothing] * ATTEMPTS
    with closing(SpeechServerSynthesizer(f"http://127.0.0.1:{server.server_port}/v1", ["nova"], timeout_s=0.5)) as http:
        with pytest.raises(SpeechFailed, match="does not answer: ReadTimeout"):
            received(http)
        assert len(server.requests) == 1
    silent.set()


def test_a_voice_that_waits_when_its_server_is_closed_fails(server: SpeechServer) -> None:
    left = threading.Event()

    def waits(handler: Handler) -> None:
        handler.begin()
        handler.send(tone(0.1))
        handler.wfile.flush()
        assert handler.connection.recv(1) == b""
        handler.close_connection = True
        left.set()

    server.bodies += [waits]
    http = SpeechServerSynthesizer(f"http://127.0.0.1:{server.server_port}/v1", ["nova"])
    chunks = http.open("nova").speak(HELLO)
    next(chunks)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(next, chunks)
        http.close()
        with pytest.raises(SpeechFailed):
            waiting.result()
    assert left.wait(10)


def test_closing_the_iterator_stops_the_server(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    ended = SimpleQueue[str]()

    def endless(handler: Handler) -> None:
        handler.begin()
        try:
            while True:
                handler.send(tone(1.0))
        except OSError as error:
            ended.put(type(error).__name__)
            handler.close_connection = True

    server.bodies += [endless, sends(tone(0.3))]
    chunks = http.open("nova").speak(HELLO)
    assert isinstance(chunks, Iterator)
    next(chunks)
    del chunks
    assert ended.get(timeout=10) in ("BrokenPipeError", "ConnectionResetError")
    assert received(http)[0].size == 0.3 * RATE


def test_silent_words_need_no_server(http: SpeechServerSynthesizer) -> None:
    pcm, words = received(http, Clause((Word("😀", ""),)))
    assert (pcm.size, words) == (0, [WordTime(0, 0, 0)])


def test_word_times_follow_the_pace_of_what_was_said(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    server.bodies += [sends(tone(4.0)), sends(tone(4.0))]
    voice = http.open("nova")
    ends = []
    for _ in range(2):
        words = [word for chunk in voice.speak(HELLO) for word in chunk.words]
        ends.append(words[-1].end / RATE)
    assert ends[0] < ends[1] < 4


def test_words_end_with_a_speech_that_is_over_early(server: SpeechServer, http: SpeechServerSynthesizer) -> None:
    server.bodies += [sends(tone(0.1))]
    _, words = received(http)
    assert [word.index for word in words] == [0, 1, 2, 3]
    assert words[-1].end == 0.1 * RATE


def test_an_unknown_voice_is_refused_by_name(http: SpeechServerSynthesizer) -> None:
    with pytest.raises(UnknownVoice, match="alloy, nova"):
        http.open("nobody")
