"""`antiphon talk` as a person uses it: at a microphone and a speaker, which are PulseAudio's."""

import os
import pty
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.speech.wer import normalised
from pipeline.encoders.encoder import Encoder
from pipeline.encoders.whisper.whisper import WhisperEncoder
from pipeline.weights.store import ModelStore
from tests.support.pulse import ANTIPHON, RATE, Ear, Pulse, pulse_audio, seconds_of_sound, talk
from tests.support.speech import INTELLIGIBLE, recordings, transcribe, word_errors, word_errors_of_beginning

SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"
STORYTELLER = "You are an old sailor. Whatever is said, you go on telling a long story about the sea."


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    with tempfile.TemporaryDirectory() as folder, pulse_audio(Path(folder)) as pulse:
        yield pulse


@pytest.fixture
def ear(pulse: Pulse) -> Iterator[Ear]:
    pulse.plug_in()
    with pulse.listen() as ear:
        yield ear


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """Hears what was played."""
    return WhisperEncoder(ModelStore().resolve("whisper-tiny.en"), "int8", threads=1)


@pytest.fixture(scope="module")
def storyteller() -> Iterator[str]:
    """The URL of a server whose answers are long."""
    environment = os.environ | {"ANTIPHON_AGENT__INSTRUCTIONS": STORYTELLER, "ANTIPHON_DECODER__TEMPERATURE": "0"}
    command: list[str | Path] = [ANTIPHON, "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        yield next(match.group() for line in lines if (match := re.search(r"http://\S+", line)))
        process.terminate()
        process.stderr.read()


def test_a_conversation_with_the_agent_in_this_process(pulse: Pulse, ear: Ear, encoder: Encoder) -> None:
    question = recordings()["turn_02"]
    with talk(pulse, "--microphone", "virtual_micro", "--speaker", "virtual_speaker") as call:
        call.until("Speak, and interrupt")
        server, devices = call.lines[-3:-1]
        assert re.fullmatch(r"Server: http://127\.0\.0\.1:\d+, \S+, voice \S+", server)
        assert devices == "Microphone: virtual_microphone. Speaker: virtual_speaker."
        pulse.say(question.pcm(RATE))
        assert word_errors(question.text, call.until("You")) <= 0.25
        answer = call.until("Antiphon")
        played = ear.pcm
        assert call.end() == 0
        assert re.fullmatch(r"It answered after \d\.\d\d s \(median of 1\)\.", call.lines[-1])
        assert call.errors() == ""
    assert seconds_of_sound(played) > 0.5
    assert word_errors(answer, transcribe(encoder, played)) <= INTELLIGIBLE


def test_breaking_in_cuts_the_sound_and_the_caption(pulse: Pulse, ear: Ear, encoder: Encoder, storyteller: str) -> None:
    # Where nothing of it comes back, the echo canceller has nothing to learn from, and takes the first words out.
    with talk(pulse, "--url", storyteller) as call, pulse.leak(-25):
        call.until("Speak")
        pulse.say(recordings()["turn_06"].pcm(RATE))
        ear.until(lambda pcm: seconds_of_sound(pcm) > 2)
        pulse.say(recordings()["turn_02"].pcm(RATE))
        cut = call.until("Antiphon")
        before = ear.pcm
        # While both speak, the echo canceller may take out a word or two of the first ones.
        assert "solar system" in call.until("You")
        ear.until(lambda pcm: seconds_of_sound(pcm) > 1, since=len(before))
        assert call.end() == 0
    assert cut.endswith(" … (interrupted)")
    words = normalised(cut.removesuffix(" … (interrupted)"))
    assert len(words.split()) > 3
    # The caption has all words that were played, but for the one that was cut.
    heard = normalised(transcribe(encoder, before))
    assert word_errors_of_beginning(words, heard) <= INTELLIGIBLE
    assert len(heard.split()) < len(words.split()) + 6


def test_it_does_not_hear_itself(pulse: Pulse, ear: Ear, storyteller: str) -> None:
    with talk(pulse, "--url", storyteller) as call, pulse.leak(-20):
        call.until("Speak")
        pulse.say(recordings()["turn_06"].pcm(RATE))
        ear.until(lambda pcm: seconds_of_sound(pcm) > 5)
        assert call.end() == 0
    said = [line.split()[0] for line in call.lines if not line.startswith("It answered")]
    assert said == ["Server:", "Microphone:", "Speak,", "You", "Antiphon"]


def test_devices_that_vanish_are_found_again(pulse: Pulse, ear: Ear, storyteller: str) -> None:
    with talk(pulse, "--url", storyteller) as call:
        call.until("Speak")
        pulse.unplug()
        assert "Retrying every second" in call.until("Lost the microphone and the speaker:")
        pulse.plug_in()
        call.until("Continuing with the microphone")
        with pulse.listen() as ear_again:
            pulse.say(recordings()["turn_02"].pcm(RATE))
            assert "planet" in call.until("You")
            ear_again.until(lambda pcm: seconds_of_sound(pcm) > 1)
        assert call.end() == 0
        assert call.errors() == ""
    assert seconds_of_sound(ear.pcm) == 0


def test_ctrl_c_leaves_the_terminal_as_it_was(pulse: Pulse, ear: Ear, storyteller: str) -> None:
    screen, terminal = pty.openpty()
    environment = pulse.environment | {"TERM": "xterm-256color", "COLUMNS": "80"}
    command: list[str | Path] = [ANTIPHON, "talk", "--url", storyteller]
    with (
        subprocess.Popen(command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal) as process,
        open(screen, "rb", buffering=0) as output,  # noqa: PTH123 - a descriptor
    ):
        os.close(terminal)
        shown = b""
        while b"listening" not in shown:
            shown += output.read(4096)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # how Linux says that a terminal's other end is closed
            while rest := output.read(4096):
                shown += rest
    assert process.returncode == 0
    assert b"Traceback" not in shown
    assert shown.rfind(SHOW_CURSOR) > shown.rfind(HIDE_CURSOR) >= 0


def test_devices_are_listed(pulse: Pulse, ear: Ear) -> None:
    run = subprocess.run([ANTIPHON, "talk", "--list-devices"], env=pulse.environment, capture_output=True, text=True)
    assert run.returncode == 0
    listed = {cell.strip() for cell in re.split(r"\s{2,}|\n", run.stdout)}
    assert {"virtual_microphone", "virtual_speaker", "default microphone and speaker"} <= listed


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--microphone", "nobody's"], 'there is no microphone "nobody\'s"'),
        (["--speaker", "virtual"], "'virtual' is part of the names of 2 speakers; say which:"),
        (["--url", "http://127.0.0.1:9"], "no server answers at http://127.0.0.1:9"),
    ],
)
def test_what_is_missing_is_said_in_plain_words(pulse: Pulse, ear: Ear, options: list[str], complaint: str) -> None:
    run = subprocess.run([ANTIPHON, "talk", *options], env=pulse.environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith(f"✗ {complaint}")
    assert "Traceback" not in run.stderr
