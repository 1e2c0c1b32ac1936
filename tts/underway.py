"""Speech that can be given up while a thread still makes it, or waits for it from elsewhere."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future

from tts.synthesizer import Speech

Stopped = Future[None]
"""Done when nobody wants the speech any more; what is to be done then are its callbacks, on any thread."""


class Underway(Iterator[Speech]):
    """Chunks of speech as they come. Dropping it ends the making, but not while a thread is at the next one; `stop`
    does, at once.
    """

    def __init__(self, make: Callable[[Stopped], Iterator[Speech]]) -> None:
        self._stopped = Stopped()
        self._chunks = make(self._stopped)

    def __next__(self) -> Speech:
        return next(self._chunks)

    def stop(self) -> None:
        self._stopped.cancel()
