"""XTTS v2 and VITS models of coqui-tts (import name TTS), in a process that is started and watched: xtts_server.py.

Coqui-tts needs torchaudio, which the package index has for CUDA only, so that it often lives in another environment.
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

from tts.http import RATE, Http, HttpVoice
from tts.licences import licence_of
from tts.synthesizer import Clause, Speech, SpeechFailed, Voice, VoiceInfo, check_known
from tts.underway import Stopped, Underway

SERVER = Path(__file__).with_name("xtts_server.py")
LOADING_S = 300.0
"""Longest wait for the model to be loaded, or fetched and loaded."""


class LicenceNotAccepted(ValueError):
    """Weights with such terms are fetched only for somebody who agreed to them; the message says how."""


def accepted(model: str, accept_licence: bool) -> str:
    """The licence of the model's weights, "" where it is not known. Raises `LicenceNotAccepted`."""
    licence = licence_of("xtts", model)
    if licence and not accept_licence:
        raise LicenceNotAccepted(
            f"the weights of {model} are under the {licence}: set accept_licence = true in [voice] if you keep to it"
        )
    return licence


def check_installed(python: str) -> None:
    """Raises `SpeechFailed` if the interpreter, "" this one, does not have coqui-tts, which is not imported for it."""
    ask = "import importlib.util, sys; sys.exit(importlib.util.find_spec('TTS') is None)"
    try:
        if subprocess.run([_interpreter(python), "-I", "-c", ask], check=False, capture_output=True).returncode:
            raise SpeechFailed(f"{_interpreter(python)} has no coqui-tts")
    except OSError as error:
        raise SpeechFailed(f"{python} can't be run: {error.strerror}") from error


def _interpreter(python: str) -> str:
    return str(Path(python).expanduser()) if python else sys.executable


class Xtts:
    """A process with one model, and its voices. Raises `SpeechFailed` if it does not start, `LicenceNotAccepted`.

    A process that died is started again by the next clause. Other errors and word times as with `Http`.
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
        """`model`: a folder, or a name of coqui-tts's catalogue. `voices`: speakers, or paths of recordings.

        `python`: the interpreter that has coqui-tts, "" this one.
        """
        model = str(Path(model).expanduser())
        licence = accepted(model, accept_licence)
        options = ["--model", model, "--language", language, "--threads", str(threads)]
        # Isolated, or modules beside the script would stand in for the standard library's.
        self._command = [_interpreter(python), "-I", str(server), *options]
        self._voices = tuple(VoiceInfo(name, language, licence) for name in voices)
        self._language = language
        self._speed = speed
        self._timeout_s = timeout_s
        self._gain_db = gain_db
        self._starting = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._http: Http | None = None
        self._ready()

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        return self._voices

    def open(self, voice: str) -> Voice:
        check_known(voice, [info.name for info in self._voices])
        return _XttsVoice(self, voice)

    @property
    def pid(self) -> int:
        """Of the process. Raises `SpeechFailed` if it can't be started."""
        self._ready()
        assert self._process is not None
        return self._process.pid

    def close(self) -> None:
        """End the process."""
        if self._http is not None:
            self._http.close()
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._http = self._process = None

    def current(self, voice: str, held: HttpVoice | None) -> HttpVoice:
        """`held`, or where the process was started anew, its successor. Raises `SpeechFailed`."""
        http = self._ready()
        return held if held is not None and held.server is http else http.open(voice)

    def _ready(self) -> Http:
        with self._starting:
            if self._http is None or self._process is None or self._process.poll() is not None:
                self.close()
                self._http = self._start()
            return self._http

    def _start(self) -> Http:
        key = secrets.token_urlsafe()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
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
                said = self._process.stdout.readline()
            except BrokenPipeError:
                said = ""
            finally:
                watchdog.cancel()
            if not said.startswith("port "):
                self.close()
                complaints.seek(0)
                why = [line for line in complaints.read().splitlines() if line.strip()]
                raise SpeechFailed(
                    f"{self._command[0]} {self._command[2]} ended at its start: {why[-1] if why else 'no reason given'}"
                )
        return Http(
            f"http://127.0.0.1:{int(said.split()[1])}/v1",
            [info.name for info in self._voices],
            api_key=key,
            language=self._language,
            speed=self._speed,
            timeout_s=self._timeout_s,
            gain_db=self._gain_db,
        )


class _XttsVoice:
    def __init__(self, xtts: Xtts, name: str) -> None:
        self._xtts = xtts
        self._name = name
        self._held: HttpVoice | None = None

    @property
    def sample_rate(self) -> int:
        return RATE

    @property
    def waits(self) -> bool:
        return True

    def speak(self, clause: Clause) -> Underway:
        return Underway(partial(self._speech, clause))

    def _speech(self, clause: Clause, stopped: Stopped) -> Iterator[Speech]:
        self._held = self._xtts.current(self._name, self._held)
        chunks = self._held.speak(clause)
        stopped.add_done_callback(lambda _: chunks.stop())
        yield from chunks
