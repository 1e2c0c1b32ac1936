"""What transformers' audio models see of the sound: their feature extractors' frames, as the samples arrive."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Gemma4AudioFeatureExtractor

from pipeline.audio import INPUT_RATE
from pipeline.encoders.logmel import DYNAMIC_RANGE, HOP, WINDOW, Energies, LogMel, LogMels
from pipeline.errors import PlainError
from tts.synthesizer import Pcm


class WhisperLike(Protocol):
    """The parameters of WhisperFeatureExtractor and of those that are made after it."""

    feature_size: int
    n_fft: int
    hop_length: int
    sampling_rate: int
    mel_filters: NDArray[np.float64]


class FrontEndError(PlainError):
    """A feature extractor has parameters that no model of its family is known to have."""


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """The log-mel of one model."""

    n_mels: int
    energies: Energies

    @classmethod
    def of(cls, extractor: WhisperLike) -> "FrontEnd":
        """Raises `FrontEndError`."""
        found = (extractor.n_fft, extractor.hop_length, extractor.sampling_rate, getattr(extractor, "dither", None))
        if found not in ((WINDOW, HOP, INPUT_RATE, 0), (WINDOW, HOP, INPUT_RATE, None)):
            raise FrontEndError(
                f"{type(extractor).__name__} has windows of {found[0]} samples every {found[1]} at {found[2]} Hz "
                f"and dither {found[3]}; supported are {WINDOW}, {HOP}, {INPUT_RATE} and none"
            )
        return cls(extractor.feature_size, TorchEnergies(extractor.mel_filters))

    def open(self) -> LogMel:
        return LogMel(self.n_mels, self.energies)


class TorchEnergies:
    """Mel energies through torch's FFT: float for float what the extractors compute."""

    def __init__(self, mel_filters: NDArray[np.float64]) -> None:
        """`mel_filters`: shape (WINDOW // 2 + 1, n_mels), the extractor's own."""
        self._filters = torch.from_numpy(mel_filters).to(torch.float32).T.contiguous()
        self._window = torch.hann_window(WINDOW)

    def __call__(self, windows: NDArray[np.float32]) -> LogMels:
        spectrum = torch.fft.rfft(torch.from_numpy(windows.copy()) * self._window)
        energies: LogMels = (self._filters @ (spectrum.abs() ** 2).T).numpy()
        return energies


def floor_of(loudest: float) -> float:
    """Where log-mels of an utterance are cut off: 80 dB below its loudest bin."""
    return float(np.float32(loudest) - np.float32(DYNAMIC_RANGE))


def scaled(log_mels: LogMels, floor: float) -> torch.Tensor:
    """As the models take it."""
    return torch.from_numpy((np.maximum(log_mels, np.float32(floor)) + np.float32(4)) / np.float32(4))


class GemmaMel:
    """Gemma 4's log-mel of a growing utterance: windows that look back only, and no frame that lacks a sample."""

    def __init__(self, extractor: Gemma4AudioFeatureExtractor) -> None:
        """Raises `FrontEndError`."""
        if extractor.preemphasis or extractor.dither or extractor.input_scale_factor != 1:
            raise FrontEndError(
                f"{type(extractor).__name__} has preemphasis {extractor.preemphasis}, dither {extractor.dither} and "
                f"scale {extractor.input_scale_factor}; supported are 0, 0 and 1"
            )
        self._extractor = extractor
        self._filters = torch.from_numpy(extractor.mel_filters)
        self._waiting: Pcm = np.zeros(extractor.frame_length // 2, np.float32)

    def push(self, pcm: Pcm) -> LogMels:
        """The frames that are new, shape (frames, n_mels): here time comes first, as the model has it."""
        extractor = self._extractor
        self._waiting = np.concatenate((self._waiting, pcm))
        # The extractor counts a frame once the sample behind its window is there.
        count = max(0, (len(self._waiting) - extractor.frame_length - 1) // extractor.hop_length + 1)
        if not count:
            return np.empty((0, extractor.feature_size), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self._waiting, extractor.frame_length)
        windows = windows[: count * extractor.hop_length : extractor.hop_length]
        self._waiting = self._waiting[count * extractor.hop_length :].copy()
        magnitudes = np.abs(np.fft.rfft(windows * extractor.window, n=extractor.fft_length, axis=-1))
        # By torch, whose threads are ours to count: numpy's take every core for these few numbers.
        energies = torch.from_numpy(magnitudes.astype(np.float64)) @ self._filters
        log_mels = np.log(energies.numpy() + extractor.mel_floor)
        if extractor.per_bin_mean is not None:
            log_mels = log_mels - extractor.per_bin_mean[0]
        if extractor.per_bin_stddev is not None:
            log_mels = log_mels / extractor.per_bin_stddev[0]
        frames: LogMels = log_mels.astype(np.float32)
        return frames
