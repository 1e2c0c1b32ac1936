"""Speech that can be aborted while a thread is still computing it, or waiting for it to arrive from elsewhere."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future

from tts.synthesizer import Speech

Stopped = Future[None]
"""Becomes done when nobody wants the speech any more. Its callbacks, which may run on any thread, do the cleanup."""


class SpeechStream(Iterator[Speech]):
    """Chunks of speech as they are synthesized.

    Dropping the stream ends the synthesis between two chunks; `stop` aborts it even while a thread computes one.
    """

    def __init__(self, make: Callable[[Stopped], Iterator[Speech]]) -> None:
        self._stopped = Stopped()
        self._chunks = make(self._stopped)

    def __next__(self) -> Speech:
        return next(self._chunks)

    def stop(self) -> None:
        """Abort the synthesis at once. May be called from any thread."""
        self._stopped.cancel()
