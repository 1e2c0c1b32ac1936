"""Streaming recognition with Whisper."""

from pathlib import Path

import numpy as np

from audio.pcm import INPUT_RATE
from pipeline.encoders.whisper.model import WhisperModel
from pipeline.encoders.whisper.stream import WhisperStream


class WhisperEncoder(WhisperModel):
    """Any Whisper model that was converted for CTranslate2: see `WhisperModel` for `folder` and the rest.

    `hop_s` is the audio between two passes, in seconds.
    """

    exact = False
    """False: the log-mel is exact, but Whisper's encoder attends in both directions, so the open window is encoded
    again at each pass, and words are committed before all of the audio has arrived."""

    def __init__(self, folder: Path, compute_type: str, threads: int, hop_s: float = 0.25) -> None:
        super().__init__(folder, compute_type, threads)
        self._hop_samples = round(hop_s * INPUT_RATE)

    def open(self) -> WhisperStream:
        return WhisperStream(self, self._hop_samples)

    def warm_up(self) -> None:
        """Run every path of the model once, so that the first utterance does not wait for memory pages."""
        stream = self.open()
        stream.push(np.zeros(INPUT_RATE, np.float32))
        stream.finish()
