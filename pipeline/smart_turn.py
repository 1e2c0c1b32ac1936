"""A second opinion on whether a turn is over, from how it sounds: Smart Turn v3 (Pipecat, BSD-2-Clause).

Source of the model and of how it is fed: https://github.com/pipecat-ai/smart-turn
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime

from pipeline.audio import INPUT_RATE
from pipeline.encoders.logmel import HOP, LogMel, scaled
from tts.synthesizer import Pcm

HEARD_SAMPLES = 8 * INPUT_RATE
"""What the model hears: the end of a turn, with silence before it if the turn is shorter."""
_MELS = 80


class SecondOpinion(Protocol):
    """Shared by all conversations and safe to use from several threads."""

    def probability(self, pcm: Pcm) -> float:
        """How likely a turn is over that ends with these samples at 16 kHz. Blocks while the model runs."""
        ...


class SmartTurn:
    """The loaded model."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def probability(self, pcm: Pcm) -> float:
        heard = pcm[-HEARD_SAMPLES:]
        window = np.concatenate((np.zeros(HEARD_SAMPLES - len(heard), np.float32), heard))
        mels = LogMel(_MELS)
        mels.push(((window - window.mean()) / np.sqrt(window.var() + 1e-7)).astype(np.float32))
        features = scaled(mels.unscaled(), HEARD_SAMPLES // HOP)[np.newaxis]
        (probability,) = self._session.run(None, {"input_features": features})
        return float(probability[0, 0])
