"""XTTS v2 and VITS models of coqui-tts (import name TTS), in a supervised child process that runs coqui_server.py.

Coqui-tts needs torchaudio, which the package index offers for CUDA only, so it is often installed in an environment of
its own.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Lock, Timer

from tts.engines.coqui_server import PACKAGES
from tts.engines.speech_server import RATE, SpeechServerSynthesizer, SpeechServerVoice
from tts.engines.speech_stream import SpeechStream, Stopped
from tts.licences import licence_of
from tts.synthesizer import Clause, Speech, SpeechFailed, Voice, VoiceInfo, check_known

SERVER = Path(__file__).with_name("coqui_server.py")
LOADING_S = 300.0
"""Longest wait, in seconds, for the model to be loaded, including its download."""


class LicenceNotAccepted(ValueError):
    """The weights' licence has to be accepted before they are downloaded; the message says how."""


def accepted(model: str, accept_licence: bool) -> str:
    """The licence of the model's weights, "" if unknown. Raises `LicenceNotAccepted` if known and not accepted."""
    licence = licence_of("xtts", model)
    if licence and not accept_licence:
        raise LicenceNotAccepted(
            f"the weights of {model} are under the {licence}: set accept_licence = true in [voice] if you accept it"
        )
    return licence


def check_installed(python: str) -> None:
    """Raise `SpeechFailed` if the interpreter `python` ("" for this one) has no coqui-tts, without importing it."""
    ask = "import importlib.util, sys; sys.exit(importlib.util.find_spec('TTS') is None)"
    try:
        if subprocess.run([_interpreter(python), "-I", "-c", ask], check=False, capture_output=True).returncode:
            raise SpeechFailed(f"{_interpreter(python)} has no coqui-tts")
    except OSError as error:
        raise SpeechFailed(f"{python} can't be run: {error.strerror}") from error


def install_command(python: str) -> str:
    """The command that adds coqui-tts to the interpreter `python` ("" for this one)."""
    return f"{_interpreter(python)} -m pip install {PACKAGES}"


def _interpreter(python: str) -> str:
    return str(Path(python).expanduser()) if python else sys.executable


class CoquiSynthesizer:
    """Voices of one coqui-tts model, which runs in a child process.

    If the process dies, the next clause restarts it. Other errors and word times are those of
    `SpeechServerSynthesizer`.
    """

    def __init__(
        self,
        model: str,
        voices: Sequence[str],
        *,
        language: str = "en",
        speed: float = 1.0,
        threads: int = 1,
        timeout_s: float = 20.0,
        python: str = "",
        accept_licence: bool = False,
        gain_db: float = 0.0,
        server: Path = SERVER,
    ) -> None:
        """Start the process and wait until the model is loaded.

        `model`: a folder, or a name in coqui-tts's catalogue. `voices`: speaker names, or paths of recordings to
        imitate. `timeout_s`: longest wait for the next audio. `python`: the interpreter that has coqui-tts, "" for this
        one. Raises `SpeechFailed` if the process does not start, `LicenceNotAccepted` if the licence has to be accepted
        first.
        """
        model = str(Path(model).expanduser())
        licence = accepted(model, accept_licence)
        options = ["--model", model, "--language", language, "--threads", str(threads)]
        # Isolated (-I), because modules in the script's folder would otherwise shadow the standard library's.
        self._command = [_interpreter(python), "-I", str(server), *options]
        self._voices = tuple(VoiceInfo(name, language, licence) for name in voices)
        self._language = language
        self._speed = speed
        self._timeout_s = timeout_s
        self._gain_db = gain_db
        self._starting = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._server: SpeechServerSynthesizer | None = None
        self._ready()

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return self._voices

    def open(self, voice: str) -> Voice:
        check_known(voice, [info.name for info in self._voices])
        return _CoquiVoice(self, voice)

    @property
    def pid(self) -> int:
        """Id of the running process, started if necessary. Raises `SpeechFailed` if it cannot be started."""
        self._ready()
        assert self._process is not None
        return self._process.pid

    def close(self) -> None:
        """Kill the process and close the connections to it."""
        if self._server is not None:
            self._server.close()
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._server = self._process = None

    def current(self, voice: str, held: SpeechServerVoice | None) -> SpeechServerVoice:
        """`held`, or its successor if the process was restarted. Raises `SpeechFailed` if it cannot be started."""
        server = self._ready()
        return held if held is not None and held.server is server else server.open(voice)

    def _ready(self) -> SpeechServerSynthesizer:
        with self._starting:
            if self._server is None or self._process is None or self._process.poll() is not None:
                self.close()
                self._server = self._start()
            return self._server

    def _start(self) -> SpeechServerSynthesizer:
        key = secrets.token_urlsafe()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | {"COQUI_TOS_AGREED": "1"},
            )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            watchdog = Timer(LOADING_S, self._process.kill)
            watchdog.start()
            try:
                self._process.stdin.write(f"{key}\n")
                self._process.stdin.flush()
                greeting = self._process.stdout.readline()
            except BrokenPipeError:
                greeting = ""
            finally:
                watchdog.cancel()
            if not greeting.startswith("port "):
                self.close()
                errors.seek(0)
                why = [line for line in errors.read().splitlines() if line.strip()]
                raise SpeechFailed(
                    f"{self._command[0]} {self._command[2]} exited at startup: {why[-1] if why else 'no reason given'}"
                )
        return SpeechServerSynthesizer(
            f"http://127.0.0.1:{int(greeting.split()[1])}/v1",
            [info.name for info in self._voices],
            api_key=key,
            language=self._language,
            speed=self._speed,
            timeout_s=self._timeout_s,
            gain_db=self._gain_db,
        )


class _CoquiVoice:
    def __init__(self, synthesizer: CoquiSynthesizer, name: str) -> None:
        self._synthesizer = synthesizer
        self._name = name
        self._held: SpeechServerVoice | None = None

    @property
    def sample_rate(self) -> int:
        return RATE

    @property
    def waits(self) -> bool:
        return True

    def speak(self, clause: Clause) -> SpeechStream:
        return SpeechStream(partial(self._speech, clause))

    def _speech(self, clause: Clause, stopped: Stopped) -> Iterator[Speech]:
        self._held = self._synthesizer.current(self._name, self._held)
        chunks = self._held.speak(clause)
        stopped.add_done_callback(lambda _: chunks.stop())
        yield from chunks
