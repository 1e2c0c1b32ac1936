"""What the tests know about speech: recordings with their words, and how far two texts lie apart."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jiwer
from num2words import num2words

from realtime.wav import read_wav
from tts.synthesizer import Pcm

FOLDER = Path(__file__).parent / "recordings"


@dataclass(frozen=True, slots=True)
class Recording:
    """A spoken turn, 16 kHz, of a synthetic voice (Kokoro-82M)."""

    kind: str
    """"turn", "pause" for a turn with one in it, "backchannel" or "barge_in"."""
    text: str
    path: Path
    speech_end_s: float

    def pcm(self, rate: int = 16_000) -> Pcm:
        return read_wav(self.path, rate)


@cache
def recordings() -> dict[str, Recording]:
    """By name, such as "turn_02"."""
    items = json.loads((FOLDER / "manifest.json").read_text())["items"]
    return {
        Path(item["file"]).stem: Recording(item["kind"], item["text"], FOLDER / item["file"], item["speech_end_s"])
        for item in items
    }


def word_errors(said: str, heard: str) -> float:
    """Word error rate, without regard to case, punctuation and how numbers are written."""
    return float(jiwer.wer(_plain(said), _plain(heard)))


def _plain(text: str) -> str:
    numbers = re.sub(r"\d+", lambda match: f" {num2words(int(match.group()))} ", text.lower())
    return " ".join(re.sub(r"[^a-z' ]", " ", numbers.replace("-", " ")).split())
