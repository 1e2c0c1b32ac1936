"""The playback queue: answers that wait to be played, one after another, and how much of each was played. Pure."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from audio.pcm import Pcm, silence
from audio.ring_buffer import RingBuffer
from audio.volume import Loudness, Volume
from audio.word_start import LONGEST_S, word_start

_FADE_S = 0.1
"""Length of audio from which a fade is made; longer than any fade."""
_REMEMBERED = 16
"""Finished answers whose played length is still known."""


@dataclass(frozen=True, slots=True)
class Block:
    """Audio to play next, and the answers that begin and end in it."""

    pcm: Pcm
    rate: int
    """Hz."""
    starts: Mapping[str, int] = field(default_factory=dict)
    """Sample of this block with which each answer begins, by the answer's id."""
    ended: tuple[str, ...] = ()

    @property
    def began(self) -> tuple[str, ...]:
        return tuple(self.starts)


class PlaybackQueue:
    """Answers in the order in which they are to be played. It counts samples and reads no clock.

    The audio of an answer that is over, because it was played or cut off, is dropped when more of it arrives.
    """

    def __init__(self, rate: int, *, hold_s: float = 0.0, replays_fades: bool = False) -> None:
        """`rate`: Hz of the answers to come, and of the silence when there are none.

        `hold_s`: once an answer has run dry, it continues with at least this much: better one gap than a stutter.
        `replays_fades`: audio that fades out at a pause or a cut does not count as played, and is played again after
        the pause.
        """
        self._rate = rate
        self._hold_s = hold_s
        self._replays_fades = replays_fades
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._over: OrderedDict[str, int] = OrderedDict()
        """Samples that were played of the last answers that are over, by id."""
        self._volume = Volume()
        self._fade = silence(0)
        """Faded audio that is still to be played."""
        self._fade_rate = rate
        self._is_sounding = False
        """Whether the last block ended in an answer's audio."""
        self._ran_dry = False

    @property
    def rate(self) -> int:
        """Hz of the next block: that of the answer in front."""
        if len(self._fade):
            return self._fade_rate
        front = self._front()
        return self._rate if front is None else front.rate

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that wait to be played."""
        return sum(answer.waiting / answer.rate for answer in self._answers.values())

    def ids(self) -> list[str]:
        """The answers that are being played or wait for it, in this order."""
        return list(self._answers)

    def played(self, answer_id: str) -> int:
        """Samples of an answer that were played, at its own rate; 0 for one that is unknown or long over."""
        answer = self._answers.get(answer_id)
        return self._over.get(answer_id, 0) if answer is None else answer.played

    def has_begun(self, answer_id: str) -> bool:
        """Whether anything of an answer was played, be it all to be played again."""
        answer = self._answers.get(answer_id)
        return self.played(answer_id) > 0 if answer is None else answer.has_begun

    def change_rate(self, rate: int) -> None:
        """Set the rate of the answers that are not here yet."""
        self._rate = rate

    def change_volume(self, loudness: Loudness) -> None:
        """Play with this loudness from the next block. A paused answer waits where it is."""
        self._volume.change(loudness)

    def rewind(self, answer_id: str, words: Iterable[tuple[int, int]]) -> None:
        """Let an answer that has fallen silent in a pause play on from the beginning of the word that it broke off.

        `words`: first sample and end of each, at the answer's rate.
        """
        front = self._front()
        if front is not None and front.id == answer_id and self._volume.is_paused and not self._is_sounding:
            front.rewind(front.played - word_start(words, front.played, front.rate))

    def add(self, answer_id: str, pcm: Pcm) -> None:
        """Append audio to an answer; a new one goes to the end of the queue."""
        if answer_id in self._over or not len(pcm):
            return
        if answer_id not in self._answers:
            self._answers[answer_id] = _Answer(answer_id, self._rate)
        self._answers[answer_id].push(pcm)

    def complete(self, answer_id: str) -> None:
        """Note that no more audio of an answer will come."""
        if (answer := self._answers.get(answer_id)) is not None:
            answer.is_complete = True

    def cut(self, answer_id: str) -> int:
        """Drop what was not played of an answer, but for a short fade; returns the samples that were played."""
        answer = self._answers.get(answer_id)
        if answer is not None:
            if self._is_sounding and answer.played:
                self._fade_out(answer, self._volume.cut(answer.peek(_FADE_S), answer.rate))
            self._end(answer)
            self._ran_dry = False
        return self.played(answer_id)

    def retire(self) -> list[str]:
        """Remove the answers that are complete and were played to their end; returns their ids."""
        retired: list[str] = []
        while (front := self._front()) is not None and front.is_complete and not front.waiting:
            self._end(front)
            retired.append(front.id)
        return retired

    def take(self, samples: int) -> Block:
        """The next `samples` samples at the current `rate`, padded with silence."""
        rate, ended = self.rate, self.retire()
        starts = self._pause(rate) if self._volume.is_paused else {}
        pcm = silence(samples)
        fade, self._fade = self._fade[:samples], self._fade[samples:]
        pcm[: len(fade)] = fade
        filled = len(fade)
        while filled < samples and (answer := self._playable(rate)) is not None:
            if answer.begin():
                starts[answer.id] = filled
            piece = answer.pull(samples - filled)
            pcm[filled : filled + len(piece)] = piece * self._volume.gains(len(piece), rate)
            filled += len(piece)
            ended += self.retire()
        self._is_sounding = filled == samples and not self._volume.is_paused
        self._volume.gains(samples - filled, rate)  # it moves on in silence, too
        return Block(pcm, rate, starts, tuple(ended))

    def _front(self) -> "_Answer | None":
        return next(iter(self._answers.values()), None)

    def _playable(self, rate: int) -> "_Answer | None":
        """The answer to play now at `rate`; None if there is none, or not enough of it."""
        front = self._front()
        if front is None or front.rate != rate or self._volume.is_paused:
            return None
        if self._ran_dry and front.waiting < self._hold_s * rate and not front.is_complete:
            return None
        self._ran_dry = not front.waiting and front.played > 0
        return front if front.waiting else None

    def _pause(self, rate: int) -> dict[str, int]:
        """Fade the answer in front out, unless that has happened; returns its start, if it began by that."""
        front = self._front()
        if front is None or len(self._fade) or (self._replays_fades and not self._is_sounding):
            self._volume.pause(silence(0), rate)
            return {}
        self._fade_out(front, self._volume.pause(front.peek(_FADE_S), front.rate))
        return {front.id: 0} if front.played and front.begin() else {}

    def _fade_out(self, answer: "_Answer", faded: Pcm) -> None:
        if not self._replays_fades:
            answer.pull(len(faded))
        self._fade, self._fade_rate = faded, answer.rate

    def _end(self, answer: "_Answer") -> None:
        del self._answers[answer.id]
        self._over[answer.id] = answer.played
        while len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)


class _Answer:
    """Audio of one answer, in the chunks in which it arrived."""

    def __init__(self, answer_id: str, rate: int) -> None:
        self.id = answer_id
        self.rate = rate
        self.waiting = 0
        """Samples that wait to be played."""
        self.played = 0
        self.is_complete = False
        self.has_begun = False
        self._chunks: deque[Pcm] = deque()
        self._recent = RingBuffer(round(LONGEST_S * rate))
        """What was played last, for `rewind`."""

    def push(self, pcm: Pcm) -> None:
        self._chunks.append(pcm)
        self.waiting += len(pcm)

    def begin(self) -> bool:
        """Note that it is played now. Returns whether that is for the first time."""
        is_first, self.has_begun = not self.has_begun, True
        return is_first

    def rewind(self, samples: int) -> None:
        """Let the last `samples` samples that were played, at most `LONGEST_S`, wait again."""
        again = self._recent.take_back(samples)
        if len(again):
            self._chunks.appendleft(again)
        self.waiting += len(again)
        self.played -= len(again)

    def peek(self, seconds: float) -> Pcm:
        """The next `seconds` of audio, or as much as there is; they still count as waiting."""
        pcm = self._next(round(seconds * self.rate))
        if len(pcm):
            self._chunks.appendleft(pcm)
        return pcm

    def pull(self, samples: int) -> Pcm:
        """The next `samples` samples, or as many as there are; they count as played."""
        pcm = self._next(samples)
        self.waiting -= len(pcm)
        self.played += len(pcm)
        self._recent.push(pcm)
        return pcm

    def _next(self, samples: int) -> Pcm:
        pieces, count = [silence(0)], 0
        while self._chunks and count < samples:
            chunk = self._chunks.popleft()
            pieces.append(chunk[: samples - count])
            if len(chunk) > samples - count:
                self._chunks.appendleft(chunk[samples - count :])
            count += len(pieces[-1])
        return np.concatenate(pieces)
