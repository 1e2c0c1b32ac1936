"""The input of transformers' audio models, computed as the samples arrive: the frames of their feature extractors."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Gemma4AudioFeatureExtractor

from audio.errors import PlainError
from audio.pcm import INPUT_RATE, Pcm
from pipeline.encoders.logmel import DYNAMIC_RANGE, HOP, WINDOW, Energies, LogMel, LogMels


class WhisperLike(Protocol):
    """The parameters of WhisperFeatureExtractor and of the extractors modelled on it."""

    feature_size: int
    n_fft: int
    hop_length: int
    sampling_rate: int
    mel_filters: NDArray[np.float64]


class FrontEndError(PlainError):
    """A feature extractor has parameters that are not supported; the message has both."""


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """How one model's log-mel spectrogram is computed."""

    n_mels: int
    energies: Energies

    @classmethod
    def of(cls, extractor: WhisperLike) -> "FrontEnd":
        """The front end of a model with this extractor. Raises `FrontEndError` if its parameters are not supported."""
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
    """Mel energies through torch's FFT, equal to the extractors' to the last bit."""

    def __init__(self, mel_filters: NDArray[np.float64]) -> None:
        """`mel_filters`: shape (WINDOW // 2 + 1, n_mels), the extractor's own."""
        self._filters = torch.from_numpy(mel_filters).to(torch.float32).T.contiguous()
        self._window = torch.hann_window(WINDOW)

    def __call__(self, windows: NDArray[np.float32]) -> LogMels:
        spectrum = torch.fft.rfft(torch.from_numpy(windows.copy()) * self._window)
        energies: LogMels = (self._filters @ (spectrum.abs() ** 2).T).numpy()
        return energies


def floor_of(loudest: float) -> float:
    """Level at which the log-mel of an utterance is clipped: 80 dB below its loudest bin (log10)."""
    return float(np.float32(loudest) - np.float32(DYNAMIC_RANGE))


def scaled(log_mels: LogMels, floor: float) -> torch.Tensor:
    """The models' input features, shape (n_mels, frames): clipped at `floor`, and shifted as Whisper does."""
    return torch.from_numpy((np.maximum(log_mels, np.float32(floor)) + np.float32(4)) / np.float32(4))


class GemmaMel:
    """Gemma 4's log-mel spectrogram of a growing utterance: its windows only look back."""

    def __init__(self, extractor: Gemma4AudioFeatureExtractor) -> None:
        """Raises `FrontEndError` if the extractor's parameters are not supported."""
        if extractor.preemphasis or extractor.dither or extractor.input_scale_factor != 1:
            raise FrontEndError(
                f"{type(extractor).__name__} has preemphasis {extractor.preemphasis}, dither {extractor.dither} and "
                f"scale {extractor.input_scale_factor}; supported are 0, 0 and 1"
            )
        self._extractor = extractor
        self._filters = torch.from_numpy(extractor.mel_filters)
        self._waiting: Pcm = np.zeros(extractor.frame_length // 2, np.float32)

    def push(self, pcm: Pcm) -> LogMels:
        """The new frames. Shape (frames, n_mels): time comes first here, as in the model."""
        extractor = self._extractor
        self._waiting = np.concatenate((self._waiting, pcm))
        # The extractor counts a frame once the sample after its window has arrived.
        count = max(0, (len(self._waiting) - extractor.frame_length - 1) // extractor.hop_length + 1)
        if not count:
            return np.empty((0, extractor.feature_size), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self._waiting, extractor.frame_length)
        windows = windows[: count * extractor.hop_length : extractor.hop_length]
        self._waiting = self._waiting[count * extractor.hop_length :].copy()
        magnitudes = np.abs(np.fft.rfft(windows * extractor.window, n=extractor.fft_length, axis=-1))
        # By torch, whose threads we count: numpy's would take every core for these few numbers.
        energies = torch.from_numpy(magnitudes.astype(np.float64)) @ self._filters
        log_mels = np.log(energies.numpy() + extractor.mel_floor)
        if extractor.per_bin_mean is not None:
            log_mels = log_mels - extractor.per_bin_mean[0]
        if extractor.per_bin_stddev is not None:
            log_mels = log_mels / extractor.per_bin_stddev[0]
        frames: LogMels = log_mels.astype(np.float32)
        return frames
