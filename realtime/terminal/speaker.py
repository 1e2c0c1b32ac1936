"""Playback at this machine: what is still to be played, and how much of each answer was. Used from two threads."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from audio.pcm import Pcm
from audio.playback import Block, PlaybackQueue
from audio.volume import Loudness
from realtime.protocol.audio_format import WIRE_RATE

_HOLD_S = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of an answer has been played."""

    item_id: str
    played: int
    """Samples at 24 kHz."""
    began: float | None
    """When its first sample was played, by the clock of `SpeakerOutput.take`; None: not yet."""
    finished: bool
    """No more of it will be played."""


class SpeakerOutput:
    """Plays answers one after another. The sound card's thread calls `take`, the event loop everything else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue = PlaybackQueue(WIRE_RATE, hold_s=_HOLD_S)
        self._began: dict[str, float] = {}
        """When each answer in the queue was first played."""
        self._finished: list[Progress] = []

    def add(self, item_id: str, pcm: Pcm) -> None:
        """Append audio at 24 kHz to the answer `item_id`. An answer's audio never follows that of a later one."""
        with self._lock:
            for earlier in self._queue.ids():
                if earlier != item_id:
                    self._queue.complete(earlier)
            self._queue.add(item_id, pcm)

    def complete(self, item_id: str) -> None:
        """Note that no more audio of an answer will come."""
        with self._lock:
            self._queue.complete(item_id)

    def change_volume(self, loudness: Loudness) -> None:
        """Play with this loudness from now on. A paused answer waits where it is."""
        with self._lock:
            self._queue.change_volume(loudness)

    def rewind(self, item_id: str, words: Iterable[tuple[int, int]]) -> None:
        """Play a paused answer on from the beginning of the word that it broke off, as `PlaybackQueue.rewind`."""
        with self._lock:
            self._queue.rewind(item_id, words)

    def take(self, samples: int, at: float = 0.0) -> Pcm:
        """The next `samples` samples, which will be heard from the time `at` (seconds), padded with silence."""
        with self._lock:
            block = self._queue.take(samples)
            self._note(block, at)
            return block.pcm

    def stop(self) -> list[Progress]:
        """Fall silent. Returns the answers that were cut off, and how much of each was played."""
        with self._lock:
            self._finish(self._queue.retire())
            return [
                Progress(item_id, self._queue.cut(item_id), self._began.pop(item_id, None), finished=True)
                for item_id in self._queue.ids()
            ]

    def progress(self) -> list[Progress]:
        """Progress of every answer that is not finished, and once of each that finished since the last call."""
        with self._lock:
            self._finish(self._queue.retire())
            finished, self._finished = self._finished, []
            return finished + [
                Progress(item_id, self._queue.played(item_id), self._began.get(item_id), finished=False)
                for item_id in self._queue.ids()
            ]

    def _note(self, block: Block, at: float) -> None:
        for item_id, sample in block.starts.items():
            self._began[item_id] = at + sample / WIRE_RATE
        self._finish(block.ended)

    def _finish(self, item_ids: Iterable[str]) -> None:
        for item_id in item_ids:
            began = self._began.pop(item_id, None)
            self._finished.append(Progress(item_id, self._queue.played(item_id), began, finished=True))
