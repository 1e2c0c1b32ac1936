"""Speech probability, frame by frame, from Silero VAD (https://github.com/snakers4/silero-vad, MIT)."""

from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from audio.pcm import INPUT_RATE, Pcm, silence
from tts.engines.onnx_session import cpu_session

FRAME_SAMPLES = 512
"""Samples of one decision: 32 ms at 16 kHz."""

_CONTEXT_SAMPLES = 64


class VadStream(Protocol):
    """The state of a detector for one conversation."""

    def push(self, pcm: Pcm) -> list[float]:
        """Take the next samples at 16 kHz, any number; return the speech probability of each frame that is full."""
        ...


class Vad(Protocol):
    """A loaded detector, shared by all conversations; safe to use from several threads."""

    def open(self) -> VadStream: ...


class SileroVad:
    """Silero VAD through ONNX Runtime."""

    def __init__(self, model: Path) -> None:
        self._session = cpu_session(model)

    def open(self) -> VadStream:
        return _SileroStream(self._session)


class _SileroStream:
    """The recurrent state, and the samples of the unfinished frame."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._state: NDArray[np.float32] = np.zeros((2, 1, 128), dtype=np.float32)
        self._context = silence(_CONTEXT_SAMPLES)
        self._waiting = silence(0)

    def push(self, pcm: Pcm) -> list[float]:
        audio = np.concatenate((self._waiting, pcm))
        whole = len(audio) - len(audio) % FRAME_SAMPLES
        self._waiting = audio[whole:]
        return [self._probability(frame) for frame in audio[:whole].reshape(-1, FRAME_SAMPLES)]

    def _probability(self, frame: Pcm) -> float:
        samples = np.concatenate((self._context, frame))[np.newaxis]
        probability, self._state = self._session.run(
            None, {"input": samples, "state": self._state, "sr": np.array(INPUT_RATE, dtype=np.int64)}
        )
        self._context = frame[-_CONTEXT_SAMPLES:]
        return float(probability[0, 0])
