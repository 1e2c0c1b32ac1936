"""What is still to be played at this machine, and how much of every answer has been. Pure; used from two threads."""

import threading
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from pipeline.audio import silence
from realtime.client import WIRE_RATE
from realtime.loudness import FADE_S, Loudness, Volume
from tts.synthesizer import Pcm

_HOLD_SAMPLES = WIRE_RATE // 10
"""Kept back once an answer has run dry: better one gap than a stutter."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an answer has been played."""

    item_id: str
    played: int
    """Samples at 24 kHz."""
    began: float | None
    """When its first sample sounded, by the clock of `take`; None: it has not yet."""
    finished: bool
    """There is no more of it to come."""


class Speaker:
    """Plays answers one behind the other. The sound card takes; all else is for the thread that adds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: deque[_Answer] = deque()
        self._finished: list[_Answer] = []
        self._volume = Volume()
        self._fading = silence(0)
        self._ran_dry = False

    def add(self, item_id: str, pcm: Pcm) -> None:
        """More sound of the answer `item_id`, at 24 kHz."""
        with self._lock:
            if not self._answers or self._answers[-1].item_id != item_id:
                for answer in self._answers:
                    answer.is_complete = True  # an answer's sound never comes after the next one's
                self._answers.append(_Answer(item_id))
            self._answers[-1].push(pcm)

    def complete(self, item_id: str) -> None:
        """There will be no more of it."""
        with self._lock:
            for answer in self._answers:
                answer.is_complete |= answer.item_id == item_id

    def follow(self, loudness: Loudness) -> None:
        """Play so from now on. What is paused waits where it is."""
        with self._lock:
            self._volume.loudness = loudness

    def take(self, samples: int, at: float = 0.0) -> Pcm:
        """The next `samples` samples, which will sound from the time `at` (seconds); silence where there are none."""
        with self._lock:
            fading, self._fading = self._fading[:samples], self._fading[samples:]
            gains = self._volume.gains(samples - len(fading), WIRE_RATE)
            pcm = self._pull(int(np.count_nonzero(gains)), at)
            block: Pcm = np.concatenate((fading, pcm * gains[: len(pcm)]))
            return np.pad(block, (0, samples - len(block)))

    def stop(self) -> list[Progress]:
        """Fall silent. Gives the answers that were cut short, and how far each had been played."""
        with self._lock:
            self._retire()
            cut = list(self._answers)
            self._answers.clear()
            self._ran_dry = False
            if cut and cut[0].played:
                self._fading = self._volume.cut(cut[0].pull(round(FADE_S * WIRE_RATE)), WIRE_RATE)
            return [answer.progress(finished=True) for answer in cut]

    def progress(self) -> list[Progress]:
        """Of every answer that is not finished, and once of each that has been since this was last called."""
        with self._lock:
            self._retire()
            finished, self._finished = self._finished, []
            return [answer.progress(finished=True) for answer in finished] + [
                answer.progress(finished=False) for answer in self._answers
            ]

    def _pull(self, samples: int, at: float) -> Pcm:
        pieces, pulled = [silence(0)], 0
        while pulled < samples:
            self._retire()
            if not self._answers:
                break
            answer = self._answers[0]
            if self._ran_dry and answer.waiting < _HOLD_SAMPLES and not answer.is_complete:
                break
            self._ran_dry = not answer.waiting and answer.played > 0
            if not answer.waiting:
                break
            if answer.began is None:
                answer.began = at + pulled / WIRE_RATE
            pieces.append(answer.pull(samples - pulled))
            pulled += len(pieces[-1])
        return np.concatenate(pieces)

    def _retire(self) -> None:
        while self._answers and self._answers[0].is_complete and not self._answers[0].waiting:
            self._finished.append(self._answers.popleft())


@dataclass(slots=True)
class _Answer:
    item_id: str
    chunks: deque[Pcm] = field(default_factory=deque)
    waiting: int = 0
    played: int = 0
    began: float | None = None
    is_complete: bool = False

    def push(self, pcm: Pcm) -> None:
        self.chunks.append(pcm)
        self.waiting += len(pcm)

    def pull(self, samples: int) -> Pcm:
        """As many as there are, `samples` at most; they count as played."""
        pieces, pulled = [silence(0)], 0
        while self.chunks and pulled < samples:
            chunk = self.chunks.popleft()
            pieces.append(chunk[: samples - pulled])
            if len(chunk) > samples - pulled:
                self.chunks.appendleft(chunk[samples - pulled :])
            pulled += len(pieces[-1])
        self.waiting -= pulled
        self.played += pulled
        return np.concatenate(pieces)

    def progress(self, finished: bool) -> Progress:
        return Progress(self.item_id, self.played, self.began, finished)
