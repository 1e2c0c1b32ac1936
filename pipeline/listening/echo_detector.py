"""Distinguishes the agent's own voice, come back through the microphone, from a person's. Pure.

What was played is known to the sample. Sound that is for the most part the same, only quieter and later, is an echo:
the two are correlated at some delay. A person who speaks over the echo is louder, and takes the correlation away.
Only the lower half of the band is compared: resamplers, codecs and loudspeakers turn the phase of the upper one, where
an answer that ends in an "s" would be no echo of itself. Where an answer fades, its echo sinks into the noise of the
room, and correlation with it; but then nobody is loud.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from audio.pcm import INPUT_RATE, Pcm, silence
from audio.resampler import Resampler
from audio.ring_buffer import RingBuffer
from audio.word_start import LONGEST_S

WINDOW = INPUT_RATE // 4
"""Samples that are compared. Of a window half as long, the first two frames of another voice can look like an echo."""
REACH = round(0.6 * INPUT_RATE)
"""The longest way round, in samples: network, jitter buffers and sound cards of both directions."""
SAME = 0.6
"""Correlation from which it is an echo. Voices over echoes at -20 dB, in three rooms: from the third frame on 99 % lie
below 0.55; of the echoes alone 99 % lie above 0.75."""
_LOUDER = 2.0
"""Energy over that of the room from which somebody may be speaking. An echo as loud as the room's noise correlates at
0.7 with what was played, and one that is quieter soon at less than `SAME`."""
AHEAD = INPUT_RATE
"""Input samples that may arrive together, before any of them is looked at."""
_KEPT = round(LONGEST_S * INPUT_RATE)
"""Samples that may be played again."""
_BAND_HZ = 3500
_TAPS = 63
_LOST = _TAPS - 1
"""Samples by which the filter shortens what it is given."""
_ROOM = 125
"""Frames: the quietest window of the last 4 s is the noise of the room."""
_INAUDIBLE = 1e-4
"""Share of the loudest stretch's energy below which a stretch of what was played is silence."""


class PlayedReference:
    """The audio of one answer on its way to the listener, resampled to 16 kHz, until it is played."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = Resampler(rate, INPUT_RATE)
        self._waiting: deque[Pcm] = deque()
        self._taken = 0
        self._recent = RingBuffer(_KEPT)
        """What was taken last, for `rewind`."""

    def send(self, pcm: Pcm) -> None:
        """Take more audio of the answer, at its own rate."""
        self._waiting.append(self._resampler.push(pcm))

    def take(self, played: int) -> Pcm:
        """What was played since the last call, now that `played` samples of the answer have been; at 16 kHz."""
        wanted = played * INPUT_RATE // self._rate - self._taken
        taken: list[Pcm] = []
        while self._waiting and wanted > 0:
            chunk = self._waiting.popleft()
            taken.append(chunk[:wanted])
            if len(chunk) > wanted:
                self._waiting.appendleft(chunk[wanted:])
            wanted -= len(taken[-1])
            self._taken += len(taken[-1])
        pcm = np.concatenate(taken) if taken else np.zeros(0, np.float32)
        self._recent.push(pcm)
        return pcm

    def rewind(self, to: int) -> None:
        """What follows the sample `to` of the answer is played again."""
        again = self._recent.take_back(min(self._taken - to * INPUT_RATE // self._rate, _KEPT))
        if len(again):
            self._waiting.appendleft(again)
            self._taken -= len(again)


class EchoDetector:
    """Compares the input of one conversation with what was played, frame by frame."""

    def __init__(self) -> None:
        self._play_low, self._take_low = _LowPass(), _LowPass()
        self._played = RingBuffer(WINDOW + REACH - _LOST)
        self.play(silence(WINDOW + REACH))
        self._input = RingBuffer(AHEAD + WINDOW - _LOST)
        self._heard = silence(0)
        self._energies: deque[float] = deque(maxlen=_ROOM)

    def play(self, pcm: Pcm) -> None:
        """Take the next samples that were played, at 16 kHz."""
        self._played.push(self._play_low.push(pcm))

    def take(self, pcm: Pcm) -> None:
        """Take the next input samples, at 16 kHz; they may be up to `AHEAD` before what is asked about."""
        self._input.push(self._take_low.push(pcm))

    def hear(self, ahead: int) -> None:
        """Look at the last `WINDOW` samples but for the newest `ahead`; from fewer nothing follows."""
        heard = self._input.last(ahead + WINDOW - _LOST)[: WINDOW - _LOST]
        self._heard = heard if len(heard) == WINDOW - _LOST else silence(0)
        if len(self._heard):
            self._energies.append(float(np.mean(self._heard**2)))

    def explains(self) -> bool:
        """Whether the input is an echo of what was played by then, and nobody's voice."""
        if not len(self._heard):
            return False
        played = self._played.last(WINDOW + REACH - _LOST)
        if not played.any():
            return False
        return self._energies[-1] < _LOUDER * min(self._energies) or likeness(self._heard, played) >= SAME


class _LowPass:
    """A stream of samples below `_BAND_HZ`; it begins with the first that has all of its neighbours, `_LOST` later."""

    def __init__(self) -> None:
        self._before = silence(0)

    def push(self, pcm: Pcm) -> Pcm:
        pcm = np.concatenate((self._before, pcm))
        self._before = pcm[-_LOST:]
        if len(pcm) < _TAPS:
            return silence(0)
        low: Pcm = np.convolve(pcm, _LOW_PASS, "valid")
        return low


def _low_pass() -> Pcm:
    """The taps of a windowed sinc."""
    at = np.arange(_TAPS) - _TAPS // 2
    taps = np.sinc(2 * _BAND_HZ / INPUT_RATE * at) * np.hamming(_TAPS)
    low_pass: Pcm = (taps / taps.sum()).astype(np.float32)
    return low_pass


_LOW_PASS = _low_pass()


def likeness(heard: Pcm, played: Pcm) -> float:
    """The highest correlation, 0 to 1, of `heard` with any stretch of `played` of its length."""
    size = 1 << (len(played) - 1).bit_length()  # what wraps round comes after the products that are looked at
    spectrum = np.fft.rfft(played, size) * np.conj(np.fft.rfft(heard, size))
    products = np.fft.irfft(spectrum, size)[: len(played) - len(heard) + 1]
    energies: NDArray[np.float64] = np.concatenate(([0.0], np.cumsum(played.astype(np.float64) ** 2)))
    energies = energies[len(heard) :] - energies[: -len(heard)]
    audible = energies > _INAUDIBLE * energies.max()
    if not audible.any() or not heard.any():
        return 0.0
    scale = np.sqrt(energies[audible] * np.sum(heard.astype(np.float64) ** 2))
    return float(np.max(np.abs(products[audible]) / scale))
