"""One turn of the person, on its way through the encoders: that of the words, and that of the sound if there is one."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import replace

import numpy as np

from pipeline.attentive import Attentive
from pipeline.audio import INPUT_RATE, silence
from pipeline.encoders.encoder import EncoderStream, Heard
from pipeline.prosody import Manner
from pipeline.workers import Urgency, Workers
from tts.synthesizer import Pcm

log = logging.getLogger(__name__)

_HOP_SAMPLES = INPUT_RATE // 4


class Utterance:
    """Audio goes in at once; a task of its own carries it to the encoder streams."""

    def __init__(
        self,
        item_id: str,
        words: EncoderStream,
        workers: Workers,
        sound: EncoderStream | None = None,
        manner: Manner | None = None,
    ) -> None:
        """`sound`: for a decoder that hears. `manner`: for one that reads, and is to know how it was said."""
        self.item_id = item_id
        self.manner = manner
        self._words = _Feed(words if manner is None else Attentive(words, manner), workers)
        self._sound = _Feed(sound, workers) if sound is not None else None
        self._samples = 0
        self._news = 0
        self._told = ""

    @property
    def sounding(self) -> bool:
        """Whether the decoder is to hear it: a stream of sound that fails is given up, and the words will do."""
        return self._sound is not None

    @property
    def has_news(self) -> bool:
        """Whether enough came in since the encoders last heard to make listening worth while."""
        return self._news >= _HOP_SAMPLES and not self._words.busy

    @property
    def seconds(self) -> float:
        """Length of the audio so far."""
        return self._samples / INPUT_RATE

    def add(self, pcm: Pcm) -> None:
        for feed in self._feeds():
            feed.add(pcm)
        self._samples += len(pcm)
        self._news += len(pcm)

    def cut(self, samples: int) -> None:
        """Take back the last `samples` samples; they must have come in just now."""
        for feed in self._feeds():
            feed.cut(samples)
        self._samples -= min(samples, self._samples)

    def newly_committed(self, heard: Heard) -> str:
        """Words for the caption that are certain and have not been told yet."""
        committed = heard.committed.lstrip()
        if not committed.startswith(self._told):
            return ""
        news, self._told = committed[len(self._told) :], committed
        return news

    def rest_of(self, final: str) -> str:
        """What of the final words has not been told yet; nothing if they came out differently after all."""
        return final[len(self._told) :] if final.startswith(self._told) else ""

    async def listen(self) -> Heard:
        """Let the encoders hear what has come in since."""
        self._news = 0
        # Both go on, whatever becomes of the other.
        sound, heard = await asyncio.gather(self._listen_to_sound(), self._words.listen(), return_exceptions=True)
        for outcome in (sound, heard):
            if isinstance(outcome, BaseException):
                raise outcome
        assert isinstance(heard, Heard)
        assert isinstance(sound, Heard)
        return replace(heard, committed_sound=sound.committed_sound)

    async def finish(self) -> Heard:
        """All words that were said, with all audio heard."""
        self._news = 0
        return await self._words.finish()

    async def finish_sound(self) -> Heard:
        """All sound, for a decoder that hears."""
        return await self._or_nothing(self._sound.finish()) if self._sound is not None else Heard()

    async def _listen_to_sound(self) -> Heard:
        return await self._or_nothing(self._sound.listen()) if self._sound is not None else Heard()

    async def _or_nothing(self, sound: Awaitable[Heard]) -> Heard:
        try:
            return await sound
        except Exception:
            log.exception("a turn could not be heard by the decoder, which reads its words instead")
            self._sound = None
            return Heard()

    def _feeds(self) -> list["_Feed"]:
        return [self._words] if self._sound is None else [self._sound, self._words]


class _Feed:
    """An encoder stream, and the audio that waits for it; it is heard in order, on a worker thread."""

    def __init__(self, stream: EncoderStream, workers: Workers) -> None:
        self._stream = stream
        self._workers = workers
        self._waiting: list[Pcm] = []
        self._feeding = asyncio.Lock()

    @property
    def busy(self) -> bool:
        return self._feeding.locked()

    def add(self, pcm: Pcm) -> None:
        self._waiting.append(pcm)

    def cut(self, samples: int) -> None:
        while samples > 0 and self._waiting:
            last = self._waiting.pop()
            kept = last[: max(len(last) - samples, 0)]
            samples -= len(last) - len(kept)
            if len(kept):
                self._waiting.append(kept)

    async def listen(self) -> Heard:
        async with self._feeding:
            pcm = self._take()
            return await self._workers.run(Urgency.LISTEN, lambda: self._stream.push(pcm))

    async def finish(self) -> Heard:
        async with self._feeding:
            pcm = self._take()

            def tail() -> Heard:
                if len(pcm):
                    self._stream.push(pcm)
                return self._stream.finish()

            return await self._workers.run(Urgency.TAIL, tail)

    def _take(self) -> Pcm:
        waiting, self._waiting = self._waiting, []
        return np.concatenate(waiting) if waiting else silence(0)
