"""The XTTS and VITS engines with small random models of coqui-tts's own classes: the audio is noise, the rest real."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio.pcm import Pcm
from tts.engines.chunks import CHUNK_S
from tts.engines.coqui import CoquiSynthesizer
from tts.engines.coqui_server import CHUNK_TOKENS
from tts.engines.speech_server import RATE
from tts.engines.speech_stream import SpeechStream
from tts.synthesizer import Clause, Speech, SpeechFailed, Word

HERE = Path(__file__).parent
PYTHON = HERE.parents[2] / ".venv" / "coqui" / "bin" / "python"
"""Interpreter of the environment that `make test` creates."""
WATCHED = HERE / "watched_coqui_server.py"
TOKENS = 57
"""XTTS tokens of each clause: the model's limit of 60 minus three reserved ones."""
VITS_FRAMES = 8
"""Frames per letter, as set in random_coqui.py."""


def clause(text: str) -> Clause:
    return Clause(tuple(Word(word, word) for word in text.split()), ".")


HELLO = clause("Hello there my friend")


class Leader:
    """Allows the model in the process to generate tokens, and receives its reports of each step."""

    def __init__(self, listener: socket.socket) -> None:
        self._connection, _ = listener.accept()

    def allow(self, tokens: int) -> None:
        self._connection.sendall(bytes(tokens))

    def steps(self) -> list[str]:
        """Steps reported since the last call. The model reports a chunk before the chunk itself arrives."""
        self._connection.setblocking(False)
        reported = b""
        try:
            while data := self._connection.recv(65536):
                reported += data
        except BlockingIOError:
            self._connection.setblocking(True)
        return reported.decode().splitlines()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def models() -> Iterator[Path]:
    assert PYTHON.exists(), "coqui-tts has an environment of its own: run `make test` once"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PYTHON, "-I", HERE / "random_coqui.py", folder], check=True, capture_output=True)
        recording = np.random.default_rng(0).normal(scale=0.1, size=(2 * 16_000, 2))
        soundfile.write(Path(folder) / "someone.wav", recording, 16_000)
        yield Path(folder)


@contextmanager
def started(
    models: Path, kind: str, voices: list[str], language: str = "en", speed: float = 1.0
) -> Iterator[tuple[CoquiSynthesizer, Leader]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEADER", str(listener.getsockname()[1]))
        xtts = CoquiSynthesizer(
            str(models / kind), voices, language=language, speed=speed, python=str(PYTHON), server=WATCHED
        )
        with closing(xtts), closing(Leader(listener)) as leader:
            yield xtts, leader


@pytest.fixture(scope="module")
def english(models: Path) -> Iterator[tuple[CoquiSynthesizer, Leader]]:
    with started(models, "xtts", ["Ann", str(models / "someone.wav"), "nobody"]) as both:
        yield both


@pytest.fixture(scope="module")
def vits(models: Path) -> Iterator[tuple[CoquiSynthesizer, Leader]]:
    with started(models, "vits", ["Ann", "Bob", "nobody"], speed=2.0) as both:
        yield both


def spoken(xtts: CoquiSynthesizer, voice: str, what: Clause = HELLO) -> list[Speech]:
    return list(xtts.open(voice).speak(what))


def sound(speech: list[Speech]) -> Pcm:
    return np.concatenate([chunk.pcm for chunk in speech])


def begun(xtts: CoquiSynthesizer, voice: str = "Ann") -> SpeechStream:
    chunks = xtts.open(voice).speak(HELLO)
    assert isinstance(chunks, SpeechStream)
    return chunks


def test_xtts_streams_a_chunk_before_it_makes_the_next(english: tuple[CoquiSynthesizer, Leader]) -> None:
    xtts, leader = english
    leader.allow(CHUNK_TOKENS)
    chunks = begun(xtts)
    first = next(chunks)
    steps = leader.steps()
    assert 0 < first.pcm.size <= CHUNK_S * RATE
    assert steps[0] == "text en"
    assert steps.count("token") <= CHUNK_TOKENS + 1
    leader.allow(TOKENS - CHUNK_TOKENS)
    speech = [first, *chunks]
    steps += leader.steps()
    assert steps.count("token") == TOKENS
    windows = [int(step.split()[1]) for step in steps if step.startswith("sound")]
    assert len(windows) == 3
    assert sound(speech).size == pytest.approx(windows[-1], abs=RATE // 100)
    assert [word.index for chunk in speech for word in chunk.words] == [0, 1, 2, 3]


def test_stopping_xtts_stops_its_model_within_a_chunk(english: tuple[CoquiSynthesizer, Leader]) -> None:
    xtts, leader = english
    leader.allow(CHUNK_TOKENS + CHUNK_TOKENS // 2)
    chunks = begun(xtts)
    next(chunks)
    chunks.stop()
    for _ in chunks:
        pass
    # Enough for the whole clause and the next one, which waits until the model has finished with this one.
    leader.allow(CHUNK_TOKENS // 2 + TOKENS)
    assert sound(spoken(xtts, "Ann")).size > 0
    steps = leader.steps()
    stopped = list(takewhile(lambda step: step != "text en", steps[1:]))
    assert stopped.count("token") <= 2 * CHUNK_TOKENS
    assert steps[1 + len(stopped) :].count("token") == TOKENS


def test_xtts_analyses_a_recording_once(english: tuple[CoquiSynthesizer, Leader], models: Path) -> None:
    xtts, leader = english
    someone = str(models / "someone.wav")
    leader.allow(2 * TOKENS)
    first = sound(spoken(xtts, someone))
    assert "recording" in leader.steps()
    again = sound(spoken(xtts, someone))
    assert "recording" not in leader.steps()
    assert np.abs(first).max() > 0
    assert again.size == pytest.approx(first.size, abs=RATE // 100)


def test_xtts_speaks_the_language_and_the_speed_that_were_asked_for(models: Path) -> None:
    with started(models, "xtts", ["Ann"], language="de", speed=2.0) as (xtts, leader):
        leader.allow(TOKENS)
        pcm = sound(spoken(xtts, "Ann", clause("Schöne Grüße")))
        steps = leader.steps()
    assert "text de" in steps
    assert steps.count("token") == TOKENS
    assert pcm.size == pytest.approx(TOKENS * 256 / 22_050 * RATE / 2, rel=0.05)


def test_a_language_that_xtts_does_not_speak_is_reported(models: Path) -> None:
    with pytest.raises(SpeechFailed, match="the model does not speak 'tlh'; it speaks en, es"):
        CoquiSynthesizer(str(models / "xtts"), ["Ann"], language="tlh", python=str(PYTHON))


def test_vits_comes_out_at_24_khz(vits: tuple[CoquiSynthesizer, Leader]) -> None:
    xtts, leader = vits
    pcm = sound(spoken(xtts, "Bob"))
    (made,) = (int(step.split()[1]) for step in leader.steps() if step.startswith("sound"))
    assert pcm.size == pytest.approx(made * RATE / 22_050, abs=RATE // 100)
    power = np.abs(np.fft.rfft(pcm * np.hanning(pcm.size))) ** 2
    hertz = np.fft.rfftfreq(pcm.size, 1 / RATE)
    assert power[hertz > 11_500].sum() < 1e-4 * power[(hertz > 8_000) & (hertz < 10_500)].sum()


def test_vits_speaks_at_the_speed_that_was_asked_for(vits: tuple[CoquiSynthesizer, Leader]) -> None:
    xtts, _ = vits
    # There is a blank before and after each letter, and the duration is a whole number of frames.
    lasting = sound(spoken(xtts, "Bob")).size / RATE * 22_050 / 256 / (2 * len(HELLO.spoken) + 1)
    assert VITS_FRAMES / 2 <= lasting <= VITS_FRAMES / 2 + 1


@pytest.mark.parametrize("kind", ["english", "vits"])
def test_an_unknown_speaker_is_reported(kind: str, request: pytest.FixtureRequest) -> None:
    xtts, _ = request.getfixturevalue(kind)
    with pytest.raises(SpeechFailed, match=r"404: .*no speaker.*nobody.*speakers: Ann"):
        spoken(xtts, "nobody")


def test_a_missing_coqui_tts_is_reported_with_its_remedy(models: Path) -> None:
    with pytest.raises(SpeechFailed, match=r"has no coqui-tts that works.*-m pip install coqui-tts .*voice\.python"):
        CoquiSynthesizer(str(models / "vits"), ["Ann"])
