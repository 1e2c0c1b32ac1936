"""A speech process as tts/xtts_server.py runs it, whose model hums. Run as a script; --model says how it fails, or who
lets it make each chunk."""

import socket
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from tts.synthesizer import Pcm
from tts.xtts_server import UnknownSpeaker, serve


class Hum:
    """Seconds of sound as many as the text has words, one at a time."""

    sample_rate = 16_000

    def speak(self, text: str, voice: str, speed: float) -> Iterator[Pcm]:
        if voice == "nobody":
            raise UnknownSpeaker("no speaker nobody")
        for _ in text.split():
            yield np.sin(np.arange(round(self.sample_rate / speed)) / 20, dtype=np.float32)
            if text.startswith("fail"):
                raise RuntimeError("out of tune")


class Led:
    """Makes a second of sound when it is told to. It says "m" when it is about to, and "f" when its memory is freed."""

    sample_rate = 24_000

    def __init__(self, port: int) -> None:
        self._leader = socket.create_connection(("127.0.0.1", port))

    def speak(self, text: str, voice: str, speed: float) -> Iterator[Pcm]:
        memory = np.random.default_rng(0).uniform(-0.2, 0.2, self.sample_rate).astype(np.float32)
        weakref.finalize(memory, self._leader.send, b"f")
        while True:
            self._leader.send(b"m")
            self._leader.recv(1)
            yield memory.copy()


model = sys.argv[sys.argv.index("--model") + 1]
if model == "broken":
    sys.exit("no such model")
serve(Led(int(model.removeprefix("led by "))) if model.startswith("led by ") else Hum())
