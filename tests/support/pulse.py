"""A PulseAudio of the test's own, with a virtual microphone and a virtual speaker, and `antiphon talk` at them."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from audio.pcm import Pcm
from realtime.protocol.audio_format import AudioFormat

RATE = 24_000

ANTIPHON = Path(sys.executable).with_name("antiphon")
_PCM16 = AudioFormat("audio/pcm", RATE)
_RAW = ["--raw", f"--rate={RATE}", "--channels=1", "--format=s16le", "--latency-msec=20"]
_PATIENCE_S = 60

_DEVICES = """
</usr/share/alsa/alsa.conf>
pcm.virtual_speaker { type pulse device speaker }
pcm.virtual_microphone { type pulse device microphone.monitor }
"""


class Pulse:
    """A running daemon. What goes into the sink "speaker" is heard; what goes into the sink "microphone" is said."""

    def __init__(self, folder: Path) -> None:
        (folder / "alsa.conf").write_text(_DEVICES)
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_SERVER": f"unix:{folder}/native",
            "PULSE_COOKIE": str(folder / "cookie"),
            "ALSA_CONFIG_PATH": str(folder / "alsa.conf"),
        }
        """Of the programs that are to use it."""

    def plug_in(self) -> None:
        for sink in ("speaker", "microphone"):
            self.control("load-module", "module-null-sink", f"sink_name={sink}")
        self.control("set-default-sink", "speaker")
        self.control("set-default-source", "microphone.monitor")

    def unplug(self) -> None:
        self.control("unload-module", "module-null-sink")

    def say(self, pcm: Pcm) -> None:
        """Play samples at 24 kHz into the microphone; returns when they have been."""
        command = ["pacat", "--playback", "--device=microphone", *_RAW]
        subprocess.run(command, env=self.environment, input=_PCM16.encode(pcm), check=True)

    @contextmanager
    def leak(self, db: int) -> Iterator[None]:
        """The microphone hears the speaker, so much louder."""
        # adjust_time=0: air doesn't stretch what goes through it.
        path = ["source=speaker.monitor", "sink=microphone", "latency_msec=100", "adjust_time=0"]
        module = self.control("load-module", "module-loopback", *path)
        (stream,) = re.findall(r"^(\d+)\t.*module-loopback", self.control("list", "short", "sink-inputs"), re.M)
        self.control("set-sink-input-volume", stream, f"{db:+}dB")
        yield
        self.control("unload-module", module.strip())

    @contextmanager
    def listen(self) -> Iterator["Ear"]:
        """Record the speaker. It also has the virtual devices work in small blocks, as real ones do."""
        ear = Ear()
        command = ["parec", *_RAW, "--device"]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        with (
            subprocess.Popen([*command, "speaker.monitor"], env=self.environment, stdout=pipe) as speaker,
            subprocess.Popen([*command, "microphone.monitor"], env=self.environment, stdout=nowhere) as microphone,
        ):
            assert isinstance(speaker.stdout, io.BufferedReader)
            recording = threading.Thread(target=ear.record, args=[speaker.stdout.read1])
            recording.start()
            try:
                yield ear
            finally:
                speaker.terminate()
                microphone.terminate()
                recording.join()

    def control(self, *command: str) -> str:
        run = subprocess.run(["pactl", *command], env=self.environment, check=True, capture_output=True, text=True)
        return run.stdout


@contextmanager
def pulse_audio(folder: Path) -> Iterator[Pulse]:
    """`folder` is the daemon's own. Its path is short: that of a socket may have 107 characters."""
    pulse = Pulse(folder)
    socket = f"module-native-protocol-unix socket={folder}/native auth-anonymous=1"
    # -n: no modules but these. It returns when the daemon is ready.
    command = ["pulseaudio", "-n", "--daemonize=yes", "--exit-idle-time=-1", f"--log-target=file:{folder}/log"]
    subprocess.run([*command, "--load", socket], env=pulse.environment, check=True)
    yield pulse
    subprocess.run(["pulseaudio", "--kill"], env=pulse.environment, check=True)


class Ear:
    """Everything that the speaker has played."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._changed = threading.Condition()

    def record(self, read: Callable[[], bytes]) -> None:
        while data := read():
            with self._changed:
                self._data += data
                self._changed.notify_all()

    @property
    def pcm(self) -> Pcm:
        with self._changed:
            return _PCM16.decode(bytes(self._data[: len(self._data) // 2 * 2]))

    def until(self, heard: Callable[[Pcm], bool], since: int = 0) -> Pcm:
        """Wait until what was played after the first `since` samples is as it should be, and give it."""
        with self._changed:
            assert self._changed.wait_for(lambda: heard(self.pcm[since:]), _PATIENCE_S)
        return self.pcm[since:]


class Talk:
    """`antiphon talk`, run as a program; what it prints comes line by line. Nothing that is waited for takes long."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._patience = self._be_patient()
        self.lines: list[str] = []

    def leave(self) -> None:
        self._patience.cancel()
        self._process.kill()

    def until(self, begin: str) -> str:
        """The rest of the next line that begins so."""
        assert self._process.stdout is not None
        self._patience.cancel()
        self._patience = self._be_patient()
        for line in self._process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith(begin):
                return line.removeprefix(begin).strip()
        raise AssertionError(f"it ended without {begin!r}: {self.lines}, {self.errors()}")

    def errors(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read()

    def end(self) -> int:
        """Press Ctrl-C, and read the rest. Gives the exit code."""
        self._process.send_signal(signal.SIGINT)
        assert self._process.stdout is not None
        self.lines += [line.rstrip() for line in self._process.stdout]
        return self._process.wait()

    def _be_patient(self) -> threading.Timer:
        patience = threading.Timer(_PATIENCE_S, self._process.kill)
        patience.start()
        return patience


@contextmanager
def talk(pulse: Pulse, *options: str) -> Iterator[Talk]:
    with subprocess.Popen(
        [ANTIPHON, "talk", *options],
        env=pulse.environment | {"ANTIPHON_DECODER__TEMPERATURE": "0", "ANTIPHON_DECODER__MAX_TOKENS": "60"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        call = Talk(process)
        try:
            yield call
        finally:
            call.leave()


def seconds_of_sound(pcm: Pcm) -> float:
    """How much of it is louder than a whisper."""
    frames = pcm[: len(pcm) // 480 * 480].reshape(-1, 480)
    return float(np.count_nonzero(np.abs(frames).max(axis=1, initial=0) > 0.02)) * 480 / RATE
