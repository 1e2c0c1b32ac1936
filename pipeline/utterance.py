"""One turn of the person, on its way through the encoder."""

import asyncio

import numpy as np

from pipeline.audio import INPUT_RATE, silence
from pipeline.encoders.encoder import EncoderStream, Heard
from pipeline.workers import Urgency, Workers
from tts.synthesizer import Pcm

_HOP_SAMPLES = INPUT_RATE // 4


class Utterance:
    """Audio goes in at once; a task of its own carries it to the encoder stream, in order, on a worker thread."""

    def __init__(self, item_id: str, stream: EncoderStream, workers: Workers) -> None:
        self.item_id = item_id
        self._stream = stream
        self._workers = workers
        self._waiting: list[Pcm] = []
        self._feeding = asyncio.Lock()
        self._samples = 0
        self._news = 0
        self._told = ""

    @property
    def has_news(self) -> bool:
        """Whether enough came in since the encoder last heard to make listening worth while."""
        return self._news >= _HOP_SAMPLES and not self._feeding.locked()

    @property
    def seconds(self) -> float:
        """Length of the audio so far."""
        return self._samples / INPUT_RATE

    def add(self, pcm: Pcm) -> None:
        self._waiting.append(pcm)
        self._samples += len(pcm)
        self._news += len(pcm)

    def cut(self, samples: int) -> None:
        """Take back the last `samples` samples; they must have come in just now."""
        while samples > 0 and self._waiting:
            last = self._waiting.pop()
            kept = last[: max(len(last) - samples, 0)]
            samples -= len(last) - len(kept)
            self._samples -= len(last) - len(kept)
            if len(kept):
                self._waiting.append(kept)

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
        """Let the encoder hear what has come in since."""
        async with self._feeding:
            pcm = self._take()
            return await self._workers.run(Urgency.LISTEN, lambda: self._stream.push(pcm))

    async def finish(self) -> Heard:
        """Everything that was said, with all audio heard."""
        async with self._feeding:
            pcm = self._take()

            def tail() -> Heard:
                if len(pcm):
                    self._stream.push(pcm)
                return self._stream.finish()

            return await self._workers.run(Urgency.TAIL, tail)

    def _take(self) -> Pcm:
        waiting, self._waiting, self._news = self._waiting, [], 0
        return np.concatenate(waiting) if waiting else silence(0)
