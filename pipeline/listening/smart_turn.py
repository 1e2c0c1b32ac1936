"""A second opinion on whether a turn is over, from how it sounds: Smart Turn v3 (Pipecat, BSD-2-Clause).

Source of the model and of how it is fed: https://github.com/pipecat-ai/smart-turn
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from audio.pcm import INPUT_RATE, Pcm
from pipeline.encoders.logmel import HOP, LogMel, scaled
from tts.engines.onnx_session import cpu_session

HEARD_SAMPLES = 8 * INPUT_RATE
"""What the model hears: the end of a turn, with silence before it if the turn is shorter."""
_MELS = 80


class SecondOpinion(Protocol):
    """A model that judges by sound whether a turn is over; shared by all conversations, safe in several threads."""

    def probability(self, pcm: Pcm) -> float:
        """Probability that a turn is over which ends with these samples at 16 kHz. Blocks while the model runs."""
        ...


class SmartTurn:
    """Smart Turn v3 through ONNX Runtime."""

    def __init__(self, model: Path) -> None:
        self._session = cpu_session(model)

    def probability(self, pcm: Pcm) -> float:
        heard = pcm[-HEARD_SAMPLES:]
        window = np.concatenate((np.zeros(HEARD_SAMPLES - len(heard), np.float32), heard))
        mels = LogMel(_MELS)
        mels.push(((window - window.mean()) / np.sqrt(window.var() + 1e-7)).astype(np.float32))
        features = scaled(mels.unscaled(), HEARD_SAMPLES // HOP)[np.newaxis]
        (probability,) = self._session.run(None, {"input_features": features})
        return float(probability[0, 0])
