"""A stand-in for the coqui-tts process: tts/engines/coqui_server.py serving a model that hums.

Run as a script. `--model` selects how it fails, or the port that releases each chunk.
"""

import socket
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from audio.pcm import Pcm
from tts.engines.coqui_server import UnknownSpeaker, serve


class Hum:
    """A model that hums for one second per word of the text."""

    sample_rate = 16_000

    def speak(self, text: str, voice: str, speed: float) -> Iterator[Pcm]:
        if voice == "nobody":
            raise UnknownSpeaker("no speaker nobody")
        for _ in text.split():
            yield np.sin(np.arange(round(self.sample_rate / speed)) / 20, dtype=np.float32)
            if text.startswith("fail"):
                raise RuntimeError("out of tune")


class Led:
    """A model that makes one second of audio for each byte from the test.

    It sends "m" before each second, and "f" when its memory has been freed.
    """

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
