"""One turn of the person, on its way through the encoder."""

import asyncio

import numpy as np

from pipeline.audio import INPUT_RATE, silence
from pipeline.encoders.encoder import EncoderStream, Heard
from pipeline.workers import Urgency, Workers
from tts.synthesizer import Pcm


class Utterance:
    """Audio goes in at once; a task of its own carries it to the encoder stream, in order, on a worker thread."""

    def __init__(self, item_id: str, stream: EncoderStream, workers: Workers) -> None:
        self.item_id = item_id
        self._stream = stream
        self._workers = workers
        self._waiting: list[Pcm] = []
        self._feeding = asyncio.Lock()
        self._samples = 0

    @property
    def seconds(self) -> float:
        """Length of the audio so far."""
        return self._samples / INPUT_RATE

    def add(self, pcm: Pcm) -> None:
        self._waiting.append(pcm)
        self._samples += len(pcm)

    async def listen(self) -> Heard | None:
        """Let the encoder hear what has come in since; None if that is being done already."""
        if self._feeding.locked():
            return None
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
        waiting, self._waiting = self._waiting, []
        return np.concatenate(waiting) if waiting else silence(0)
