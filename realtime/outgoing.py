"""What the listener is to hear of the answers, in blocks of 20 ms. Counts samples and reads no clock."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from pipeline.audio import silence
from pipeline.events import OutputAudio
from pipeline.timeline import Timeline
from realtime.loudness import Loudness, Volume
from tts.synthesizer import Pcm

BLOCKS_A_SECOND = 50
BUFFERED_S = 2.5
"""Sound that is taken in advance. The agent waits with more, which would be wasted if the person broke in."""

_REMEMBERED = 16
"""Answers that are over and of which it is still known how far they got."""


@dataclass(frozen=True, slots=True)
class Block:
    """20 ms for the listener, and the answers that begin and end in it."""

    pcm: Pcm
    rate: int
    began: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


class Outgoing:
    """Answers on their way to one listener, one behind the other.

    A pause and a change of loudness lose nothing: what was faded out is sent again when it goes on.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        """Hz of the answers to come."""
        self._sounds: OrderedDict[str, _Sound] = OrderedDict()
        self._over: OrderedDict[str, int] = OrderedDict()
        """Samples that were sent of the last answers that are over."""
        self._volume = Volume()
        self._sounding = False
        """Whether the last block ended in sound."""
        self._last_breath = silence(0)
        """Of an answer that was cut off: faded out already."""
        self._room = asyncio.Event()
        self._room.set()

    def add(self, event: OutputAudio) -> None:
        """More of an answer."""
        if event.response_id in self._over or not len(event.pcm):
            return  # it was cut off, or there is nothing to hear
        sound = self._sounds.get(event.response_id)
        if sound is None:
            sound = self._sounds[event.response_id] = _Sound(self.rate, event.timeline)
        sound.item_id = event.item_id
        sound.pending = np.concatenate((sound.pending, event.pcm))
        self._measure()

    def complete(self, response_id: str) -> None:
        """No more of it will come."""
        if (sound := self._sounds.get(response_id)) is not None:
            sound.is_complete = True

    def cut(self, response_id: str) -> bool:
        """Drop what is unsent of an answer. Returns whether it had begun to sound."""
        sound = self._sounds.pop(response_id, None)
        if sound is None:
            return False
        if self._sounding and sound.sent:
            self._last_breath = self._volume.cut(sound.pending, sound.rate)
        self._remember(response_id, sound.sent)
        self._measure()
        return sound.sent > 0

    def saying(self, item_id: str) -> str | None:
        """The answer whose item this is, while it sounds."""
        return next((response_id for response_id, sound in self._sounds.items() if sound.item_id == item_id), None)

    def all(self) -> list[str]:
        """The answers that sound, or wait to."""
        return list(self._sounds)

    def play(self, loudness: Loudness) -> None:
        """How loud it goes on, from the next block."""
        self._volume.loudness = loudness

    def played(self, response_id: str) -> int:
        """Samples of an answer that were sent, at the rate that it came with."""
        sound = self._sounds.get(response_id)
        return self._over.get(response_id, 0) if sound is None else sound.sent

    def unheard(self, response_id: str) -> bool:
        """Whether there is sound of an answer, and none of it has been sent yet."""
        sound = self._sounds.get(response_id)
        return sound is not None and sound.sent == 0

    async def ready(self) -> None:
        """Wait until there is room for more."""
        await self._room.wait()

    def next_block(self) -> Block:
        front = next(iter(self._sounds.values()), None)
        rate = front.rate if front is not None else self.rate
        pcm, began, ended = silence(rate // BLOCKS_A_SECOND), [], []
        breath, self._last_breath = self._last_breath[: len(pcm)], silence(0)
        pcm[: len(breath)] = breath
        filled = len(breath)
        if self._volume.loudness == "paused":
            coming = front.pending if front is not None and self._sounding and not len(breath) else silence(0)
            faded = self._volume.pause(coming, rate)
            pcm[filled : filled + len(faded)] = faded
            self._sounding = False
            return Block(pcm, rate)
        while filled < len(pcm) and self._sounds:
            response_id, sound = next(iter(self._sounds.items()))
            if sound.rate != rate:
                break
            piece = sound.pending[: len(pcm) - filled]
            if len(piece) and not sound.sent:
                sound.timeline.stamp("first_packet")
                began.append(response_id)
            pcm[filled : filled + len(piece)] = piece * self._volume.gains(len(piece), rate)
            filled += len(piece)
            sound.sent += len(piece)
            sound.pending = sound.pending[len(piece) :]
            if len(sound.pending) or not sound.is_complete:
                break
            del self._sounds[response_id]
            self._remember(response_id, sound.sent)
            ended.append(response_id)
        self._sounding = filled == len(pcm)
        self._measure()
        return Block(pcm, rate, tuple(began), tuple(ended))

    def _remember(self, response_id: str, sent: int) -> None:
        self._over[response_id] = sent
        while len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)

    def _measure(self) -> None:
        buffered_s = sum(len(sound.pending) / sound.rate for sound in self._sounds.values())
        self._room.set() if buffered_s < BUFFERED_S else self._room.clear()


class _Sound:
    """One answer's."""

    def __init__(self, rate: int, timeline: Timeline) -> None:
        self.rate = rate
        self.timeline = timeline
        self.item_id = ""
        self.pending = silence(0)
        self.sent = 0
        self.is_complete = False
