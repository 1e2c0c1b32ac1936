"""Whisper's log-mel spectrogram, frame by frame as the samples arrive."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from audio.pcm import INPUT_RATE, Pcm

HOP = 160
"""Samples from one frame to the next: 10 ms."""
WINDOW = 400
EDGE = WINDOW // 2
DYNAMIC_RANGE = 8.0
"""log10 units below the loudest bin at which Whisper cuts off: 80 dB."""

LogMels = NDArray[np.float32]
"""Shape (n_mels, frames)."""

Energies = Callable[[NDArray[np.float32]], LogMels]
"""Computes mel energies, shape (n_mels, frames), from windows of samples, shape (frames, WINDOW)."""

SILENCE = -10.0
"""log10 of the mel energies of digital silence."""


class LogMel:
    """The log-mel spectrogram of a growing utterance, equal to Whisper's own for the same samples.

    Frame t is centred on sample 160 t, so the last two frames wait for further samples: until then they are computed
    again at each reading, with silence after the last sample. All others are computed once.
    """

    def __init__(self, n_mels: int, energies: Energies | None = None) -> None:
        """`energies`: computes mel energies, for models that must see the exact floats of another implementation."""
        self._energies = energies or NumpyEnergies(n_mels)
        self._closed: LogMels = np.empty((n_mels, 0), np.float32)
        self._fresh: list[LogMels] = []
        self._waiting: Pcm = np.empty(0, np.float32)
        """Samples from the start of the next frame's window on."""
        self._received = 0
        self._dropped = 0
        self.loudest = SILENCE
        """Loudest bin of all finished frames, log10."""

    def __len__(self) -> int:
        """Frames that have a sample at their centre."""
        return -(-self._received // HOP) - self._dropped

    def push(self, pcm: Pcm) -> None:
        """Take the next samples at 16 kHz, any number."""
        started = self._received > EDGE
        self._waiting = np.concatenate((self._waiting, pcm))
        self._received += len(pcm)
        if self._received <= EDGE:
            return
        if not started:
            self._waiting = mirrored(self._waiting)
        count = max(0, (len(self._waiting) - WINDOW) // HOP + 1)
        if count:
            self._fresh.append(self._frames(self._waiting, count))
            self.loudest = max(self.loudest, float(self._fresh[-1].max()))
            self._waiting = self._waiting[count * HOP :].copy()

    @property
    def finished(self) -> int:
        """Number of frames that no further sample can change."""
        return int(self._collect().shape[1])

    def drop(self, frames: int) -> LogMels:
        """Remove the oldest `frames` of the finished frames and return them, unscaled."""
        closed = self._collect()
        frames = min(frames, closed.shape[1])
        self._closed = closed[:, frames:].copy()
        self._dropped += frames
        return closed[:, :frames].copy()

    def unscaled(self, frames: int | None = None, mirror: bool = False) -> LogMels:
        """log10 of the mel energies, at least -10: all frames, or exactly `frames` of them from the oldest on.

        The last sample is followed by silence, or with `mirror` by the reflected audio, as at the beginning.
        """
        closed = self._collect()
        open_frames = (len(self) if frames is None else frames) - closed.shape[1]
        if open_frames <= 0:
            return closed
        padding = np.zeros((open_frames + 1) * HOP + WINDOW, np.float32)
        if mirror and self._received > EDGE:
            padding[:EDGE] = self._waiting[-2 : -EDGE - 2 : -1]
        samples = np.concatenate((self._waiting, padding))
        if self._received <= EDGE:
            samples = mirrored(samples)
        return np.concatenate((closed, self._frames(samples, open_frames)), axis=1)

    def _collect(self) -> LogMels:
        if self._fresh:
            self._closed = np.concatenate((self._closed, *self._fresh), axis=1)
            self._fresh.clear()
        return self._closed

    def _frames(self, samples: Pcm, count: int) -> LogMels:
        windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[: count * HOP : HOP]
        return np.log10(np.maximum(self._energies(windows), 1e-10))


class NumpyEnergies:
    """Whisper's mel energies, computed by numpy."""

    def __init__(self, n_mels: int) -> None:
        self._filters = mel_filters(n_mels)

    def __call__(self, windows: NDArray[np.float32]) -> LogMels:
        power = np.abs(np.fft.rfft(windows * HANN, axis=1)) ** 2
        energies: LogMels = (self._filters @ power.T).astype(np.float32)
        return energies


def scaled(log_mels: LogMels, frames: int) -> LogMels:
    """Whisper's input: clipped 80 dB below the loudest bin, shifted, and padded with silence to `frames`.

    The clipping level moves when something louder arrives, and changes every frame: only unscaled frames can be kept.
    """
    floor = log_mels.max() - DYNAMIC_RANGE
    padded = np.full((log_mels.shape[0], frames), floor, np.float32)
    padded[:, : log_mels.shape[1]] = np.maximum(log_mels, floor)
    return (padded + 4.0) / 4.0


def mirrored(samples: Pcm) -> Pcm:
    """Whisper's left edge: the frames around the first sample see the reflected audio."""
    return np.concatenate((samples[EDGE:0:-1], samples))


def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """Triangular filters on the Slaney mel scale, each of unit area. Shape (n_mels, 201)."""
    bins_hz = np.linspace(0, INPUT_RATE / 2, WINDOW // 2 + 1)
    edges_hz = slaney_hz(np.linspace(0, slaney_mel(INPUT_RATE / 2), n_mels + 2))
    low, middle, high = (edges_hz[i : n_mels + i, None] for i in range(3))
    rising = (bins_hz - low) / (middle - low)
    falling = (high - bins_hz) / (high - middle)
    triangles: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return triangles.astype(np.float32)


# Slaney's scale is linear up to 1 kHz, and logarithmic above it with 27 steps for a factor of 6.4.
MEL_PER_HZ = 3 / 200
BEND_HZ = 1000.0
BEND_MEL = BEND_HZ * MEL_PER_HZ
LOG_STEP = np.log(6.4) / 27


def slaney_mel(hz: float) -> float:
    return float(hz * MEL_PER_HZ if hz < BEND_HZ else BEND_MEL + np.log(hz / BEND_HZ) / LOG_STEP)


def slaney_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < BEND_MEL, mel / MEL_PER_HZ, BEND_HZ * np.exp(LOG_STEP * (mel - BEND_MEL)))


HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
