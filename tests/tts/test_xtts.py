"""The process that speaks for coqui-tts: started, watched, listened to. Its model here hums; the rest is real."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tts.http import RATE, Http
from tts.synthesizer import Clause, Pcm, SpeechFailed, UnknownVoice, Word
from tts.xtts import LicenceNotAccepted, Xtts
from tts.xtts_server import SpeechServer

HUM = Path(__file__).with_name("tone_server.py")


def clause(text: str) -> Clause:
    return Clause(tuple(Word(word, word) for word in text.split()), ".")


def start(model: str = "hum", speed: float = 1.0) -> Xtts:
    return Xtts(model, ["ann", "nobody"], server=HUM, speed=speed)


@pytest.fixture(scope="module")
def xtts() -> Iterator[Xtts]:
    with closing(start()) as xtts:
        yield xtts


def seconds(xtts: Xtts, text: str) -> float:
    return sum(speech.pcm.size for speech in xtts.open("ann").speak(clause(text))) / RATE


def test_speaks_at_24_khz_whatever_the_model_does(xtts: Xtts) -> None:
    pcm = np.concatenate([speech.pcm for speech in xtts.open("ann").speak(clause("one two three"))])
    assert pcm.size == pytest.approx(3 * RATE, abs=20)
    crossings = np.count_nonzero(np.diff(np.signbit(pcm)))
    assert crossings / 3 == pytest.approx(2 * 16_000 / (20 * 2 * np.pi), rel=0.01)


def test_speed_is_passed_on() -> None:
    with closing(start(speed=2.0)) as fast:
        assert seconds(fast, "one two") == pytest.approx(1.0, abs=0.01)


def test_an_unknown_speaker_is_told(xtts: Xtts) -> None:
    with pytest.raises(SpeechFailed, match="no speaker nobody"):
        list(xtts.open("nobody").speak(clause("hello")))
    with pytest.raises(UnknownVoice, match="ann, nobody"):
        xtts.open("bob")


def test_a_model_that_fails_in_the_middle_breaks_off(xtts: Xtts) -> None:
    chunks = xtts.open("ann").speak(clause("fail now please"))
    with pytest.raises(SpeechFailed, match="broke off"):
        list(chunks)
    assert seconds(xtts, "hello") == pytest.approx(1.0, abs=0.01)


def test_a_process_that_died_is_started_again() -> None:
    with closing(start()) as xtts:
        voice = xtts.open("ann")
        first = xtts.pid
        os.kill(first, 9)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert sum(speech.pcm.size for speech in voice.speak(clause("hello"))) > 0
        assert xtts.pid != first


def test_a_process_that_does_not_start_says_why() -> None:
    with pytest.raises(SpeechFailed, match=r"tone_server\.py ended at its start: no such model"):
        start("broken")


def test_closing_ends_the_process() -> None:
    xtts = start()
    pid = xtts.pid
    xtts.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_weights_that_are_not_free_need_consent() -> None:
    with pytest.raises(LicenceNotAccepted, match=r"CPML.*commercial.*accept_licence = true"):
        Xtts("tts_models/multilingual/multi-dataset/xtts_v2", ["ann"], server=HUM)


class Steps:
    """A model that makes a chunk only when it is let."""

    sample_rate = RATE

    def __init__(self) -> None:
        self.made = 0
        self.go_on = threading.Semaphore(1)
        self.closed = threading.Event()

    def speak(self, text: str, voice: str, speed: float) -> Iterator[Pcm]:
        try:
            while True:
                self.go_on.acquire()
                self.made += 1
                yield np.full(RATE, 0.5, dtype=np.float32)
        finally:
            self.closed.set()


def test_when_the_listener_leaves_no_further_chunk_is_made() -> None:
    model = Steps()
    with SpeechServer(model, "key") as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        http = Http(f"http://127.0.0.1:{server.server_port}/v1", ["ann"], api_key="key")
        with closing(http):
            chunks = http.open("ann").speak(clause("hello"))
            assert isinstance(chunks, Iterator)
            next(chunks)
            del chunks
            model.go_on.release()
            assert model.closed.wait(10)
            assert model.made <= 2
        server.shutdown()
        serving.join()


def test_a_stranger_is_refused() -> None:
    with SpeechServer(Steps(), "key") as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        with (
            closing(Http(f"http://127.0.0.1:{server.server_port}/v1", ["ann"], api_key="other")) as http,
            pytest.raises(SpeechFailed, match="refuses with 401"),
        ):
            list(http.open("ann").speak(clause("hello")))
        server.shutdown()
        serving.join()
