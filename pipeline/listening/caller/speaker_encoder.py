"""Whose voice it is: a vector for each stretch of speech, near those of the same speaker.

GE2E (Wan et al., "Generalized End-to-End Loss for Speaker Verification", 2018) with the weights of Resemblyzer
(https://github.com/resemble-ai/Resemblyzer, Apache-2.0): three LSTM layers over 40 mel energies.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio.pcm import Pcm
from pipeline.encoders.logmel import EDGE, HOP, WINDOW, NumpyEnergies
from pipeline.weights.legacy_checkpoint import read_checkpoint

Floats = NDArray[np.float32]

_MELS = 40
_LAYERS = 3
_FRAMES = 160
"""Frames of a window, as in training."""
_STEP = _FRAMES // 2
_LEVEL = 10 ** (-30 / 20)
"""RMS, relative to full scale, at which the model has heard all voices."""


class SpeakerEncoder(Protocol):
    """Shared by all conversations, safe in several threads."""

    def embed(self, pcm: Pcm) -> Floats:
        """Unit vector of the voice in `pcm` (16 kHz, speech only). Blocks while the model runs."""
        ...


class Ge2eEncoder:
    """The model in numpy: 1.4 million parameters, 15 ms for 3 s of speech."""

    def __init__(self, weights: Path) -> None:
        tensors: Mapping[str, Floats] = read_checkpoint(weights)["model_state"]
        self._layers = [_Lstm(tensors, layer) for layer in range(_LAYERS)]
        self._weight, self._bias = tensors["linear.weight"], tensors["linear.bias"]
        self._energies = NumpyEnergies(_MELS)

    def embed(self, pcm: Pcm) -> Floats:
        mels = self.mels(pcm)
        starts = [*range(0, len(mels) - _FRAMES, _STEP), max(len(mels) - _FRAMES, 0)]
        series = np.stack([mels[start : start + _FRAMES] for start in starts])
        for layer in self._layers:
            series = layer(series)
        voices = np.maximum(series[:, -1] @ self._weight.T + self._bias, 0)
        return _unit(_unit(voices).mean(axis=0))

    def mels(self, pcm: Pcm) -> Floats:
        """Mel energies at the usual level, shape (frames, 40)."""
        level = np.sqrt(np.mean(pcm**2)) + 1e-9
        samples = np.pad(pcm * np.float32(_LEVEL / level), EDGE)
        windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
        return np.ascontiguousarray(self._energies(windows).T)


class _Lstm:
    """One layer; its gates in PyTorch's order: input, forget, cell, output."""

    def __init__(self, tensors: Mapping[str, Floats], layer: int) -> None:
        self._input = np.ascontiguousarray(tensors[f"lstm.weight_ih_l{layer}"].T)
        self._hidden = np.ascontiguousarray(tensors[f"lstm.weight_hh_l{layer}"].T)
        self._bias = tensors[f"lstm.bias_ih_l{layer}"] + tensors[f"lstm.bias_hh_l{layer}"]

    def __call__(self, series: Floats) -> Floats:
        """`series`, shape (batch, frames, features), becomes (batch, frames, units)."""
        gates = series @ self._input + self._bias
        units = len(self._hidden)
        outputs = np.empty((*series.shape[:2], units), np.float32)
        hidden = cell = np.zeros((len(series), units), np.float32)
        for frame in range(series.shape[1]):
            gate = gates[:, frame] + hidden @ self._hidden
            opened = 1 / (1 + np.exp(-gate))
            new = np.tanh(gate[:, 2 * units : 3 * units])
            cell = opened[:, units : 2 * units] * cell + opened[:, :units] * new
            hidden = opened[:, 3 * units :] * np.tanh(cell)
            outputs[:, frame] = hidden
        return outputs


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)
