"""A speech process as tts/xtts_server.py runs it, whose model hums. Run as a script; --model says how it fails."""

import sys
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


if "broken" in sys.argv:
    sys.exit("no such model")
serve(Hum())
