"""Audio of the answers on its way to one caller, in blocks of 20 ms."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from audio.playback import Block, PlaybackQueue
from audio.volume import Loudness
from pipeline.events import OutputAudio
from pipeline.runtime.timeline import Timeline

BLOCKS_A_SECOND = 50
BUFFERED_S = 2.5
"""Seconds of audio that are accepted in advance. More would be wasted work if the user interrupted."""


class VoiceOutput:
    """Answers on their way to one caller, one after another. What was sent counts as played.

    Neither a pause nor a change of loudness loses audio: what faded out is sent again after the pause.
    """

    def __init__(self, rate: int) -> None:
        """`rate`: Hz of the answers to come."""
        self._queue = PlaybackQueue(rate, replays_fades=True)
        self._answers: dict[str, _Answer] = {}
        """Answers in the queue, by response id."""
        self._room = asyncio.Event()
        self._room.set()

    def change_rate(self, rate: int) -> None:
        """Set the rate of the answers to come, in Hz. Those that are here keep theirs."""
        self._queue.change_rate(rate)

    def add(self, event: OutputAudio) -> None:
        """Append audio to an answer. That of an answer which was cut off is dropped."""
        self._queue.add(event.response_id, event.pcm)
        if event.response_id in self._queue.ids():
            self._answers[event.response_id] = _Answer(event.item_id, event.timeline)
        self._measure()

    def complete(self, response_id: str) -> None:
        """Note that no more audio of an answer will come."""
        self._queue.complete(response_id)

    def cut(self, response_id: str) -> bool:
        """Drop what was not sent of an answer. Returns whether any of it had been sent."""
        if self._answers.pop(response_id, None) is None:
            return False
        has_begun = self._queue.has_begun(response_id)
        self._queue.cut(response_id)
        self._measure()
        return has_begun

    def response_of(self, item_id: str) -> str | None:
        """Id of the answer whose newest item this is, while it is in the queue."""
        return next((response_id for response_id, own in self._answers.items() if own.item_id == item_id), None)

    def ids(self) -> list[str]:
        """Response ids of the answers that are being sent or wait for it, in this order."""
        return self._queue.ids()

    def change_volume(self, loudness: Loudness) -> None:
        """Send with this loudness from the next block."""
        self._queue.change_volume(loudness)

    def rewind(self, response_id: str, words: Iterable[tuple[int, int]]) -> None:
        """Send a paused answer on from the beginning of the word that it broke off, as `PlaybackQueue.rewind`."""
        self._queue.rewind(response_id, words)

    def played(self, response_id: str) -> int:
        """Samples of an answer that were sent, at the rate with which it came."""
        return self._queue.played(response_id)

    def is_unheard(self, response_id: str) -> bool:
        """Whether audio of an answer waits, and none of it has been sent yet."""
        return response_id in self._answers and not self._queue.has_begun(response_id)

    async def ready(self) -> None:
        """Wait until there is room for more audio."""
        await self._room.wait()

    def next_block(self) -> Block:
        """The next 20 ms, at the rate of the answer in front. Stamps `first_packet` where an answer begins."""
        block = self._queue.take(self._queue.rate // BLOCKS_A_SECOND)
        for response_id in block.began:
            self._answers[response_id].timeline.stamp("first_packet")
        for response_id in block.ended:
            del self._answers[response_id]
        self._measure()
        return block

    def _measure(self) -> None:
        self._room.set() if self._queue.waiting_s < BUFFERED_S else self._room.clear()


@dataclass(frozen=True, slots=True)
class _Answer:
    """The item of an answer that its newest audio belongs to, and the timeline of its turn."""

    item_id: str
    timeline: Timeline
