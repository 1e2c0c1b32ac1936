"""The child process of the coqui-tts engine: its start, supervision and streaming. Only the model is a stand-in."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import numpy as np
import pytest

from audio.pcm import Pcm
from tests.support.speech_server import TONE_SERVER
from tts.engines.coqui import CoquiSynthesizer, LicenceNotAccepted
from tts.engines.coqui_server import Speaker, SpeechServer
from tts.engines.speech_server import RATE, SpeechServerSynthesizer
from tts.synthesizer import Clause, Speech, SpeechFailed, UnknownVoice, Word


def clause(text: str) -> Clause:
    return Clause(tuple(Word(word, word) for word in text.split()), ".")


def start(model: str = "hum", speed: float = 1.0) -> CoquiSynthesizer:
    return CoquiSynthesizer(model, ["ann", "nobody"], server=TONE_SERVER, speed=speed)


@pytest.fixture(scope="module")
def xtts() -> Iterator[CoquiSynthesizer]:
    with closing(start()) as xtts:
        yield xtts


def seconds(xtts: CoquiSynthesizer, text: str) -> float:
    return sum(speech.pcm.size for speech in xtts.open("ann").speak(clause(text))) / RATE


def test_speaks_at_24_khz_whatever_the_model_does(xtts: CoquiSynthesizer) -> None:
    pcm = np.concatenate([speech.pcm for speech in xtts.open("ann").speak(clause("one two three"))])
    assert pcm.size == pytest.approx(3 * RATE, abs=20)
    crossings = np.count_nonzero(np.diff(np.signbit(pcm)))
    assert crossings / 3 == pytest.approx(2 * 16_000 / (20 * 2 * np.pi), rel=0.01)


def test_speed_is_passed_on() -> None:
    with closing(start(speed=2.0)) as fast:
        assert seconds(fast, "one two") == pytest.approx(1.0, abs=0.01)


def test_an_unknown_speaker_is_reported(xtts: CoquiSynthesizer) -> None:
    with pytest.raises(SpeechFailed, match="no speaker nobody"):
        list(xtts.open("nobody").speak(clause("hello")))
    with pytest.raises(UnknownVoice, match="ann, nobody"):
        xtts.open("bob")


def test_a_model_that_fails_in_the_middle_breaks_off(xtts: CoquiSynthesizer) -> None:
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


def test_every_running_answer_continues_with_the_new_process() -> None:
    with closing(start()) as xtts:
        voices = [xtts.open("ann") for _ in range(2)]
        for voice in voices:
            list(voice.speak(clause("hello")))
        first = xtts.pid
        os.kill(first, 9)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        for voice in voices:
            assert sum(speech.pcm.size for speech in voice.speak(clause("hello"))) > 0


def test_a_process_that_does_not_start_says_why() -> None:
    with pytest.raises(SpeechFailed, match=r"tone_server\.py exited at startup: no such model"):
        start("broken")


def test_closing_ends_the_process() -> None:
    xtts = start()
    pid = xtts.pid
    xtts.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("model", "licence"),
    [
        ("tts_models/multilingual/multi-dataset/xtts_v2", "CPML.*commercial"),
        ("tts_models/multilingual/multi-dataset/your_tts", "CC BY-NC-ND"),
        ("tts_models/en/vctk/fast_pitch", "CC BY-NC-ND"),
    ],
)
def test_weights_that_are_not_free_need_consent(model: str, licence: str) -> None:
    with pytest.raises(LicenceNotAccepted, match=f"{licence}.*accept_licence = true"):
        CoquiSynthesizer(model, ["ann"], server=TONE_SERVER)


class Slow:
    """A model that waits for permission to speak. `said` lists the texts that it was asked for."""

    sample_rate = RATE

    def __init__(self) -> None:
        self.said: list[str] = []
        self.may_speak = threading.Event()

    def speak(self, text: str, voice: str, speed: float) -> Iterator[Pcm]:
        self.said.append(text)
        self.may_speak.wait()
        yield np.full(RATE, 0.5, dtype=np.float32)


class Counting(SpeechServer):
    """A server that signals the arrival of each request."""

    def __init__(self, speaker: Speaker, key: str) -> None:
        super().__init__(speaker, key)
        self.came = threading.Semaphore(0)

    def verify_request(self, request: object, client_address: object) -> bool:
        self.came.release()
        return True


@contextmanager
def serving(model: Slow, key: str) -> Iterator[tuple[Counting, SpeechServerSynthesizer]]:
    """A server whose API key is "key", and a client that presents `key`."""
    with Counting(model, "key") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with closing(
            SpeechServerSynthesizer(f"http://127.0.0.1:{server.server_port}/v1", ["ann"], api_key=key)
        ) as http:
            yield server, http
        server.shutdown()
        thread.join()


def test_a_stranger_is_refused() -> None:
    with serving(Slow(), "other") as (_, http), pytest.raises(SpeechFailed, match="refuses with 401"):
        list(http.open("ann").speak(clause("hello")))


def test_a_client_that_leaves_the_queue_is_skipped() -> None:
    model = Slow()
    with serving(model, "key") as (server, http), ThreadPoolExecutor() as threads:
        listening = []
        for text in ("one", "two", "three"):
            chunks = http.open("ann").speak(clause(text))
            listening.append((chunks, threads.submit(list[Speech], chunks)))
            server.came.acquire()
        (_, one), (left, two), (_, three) = listening
        left.stop()
        received = [sum(speech.pcm.size for speech in two.result())]
        model.may_speak.set()
        received += [sum(speech.pcm.size for speech in listener.result()) for listener in (one, three)]
    assert received == [0, RATE, RATE]
    assert model.said == ["one.", "three."]
