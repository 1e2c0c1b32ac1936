"""What was said after a pause is part of the turn, also where the recognizer takes the pause for the end."""

import asyncio
import threading

import numpy as np

from audio.pcm import INPUT_RATE, Pcm
from pipeline.encoders.encoder import Heard
from pipeline.listening.utterance import Utterance
from pipeline.runtime.workers import Urgency, Workers


class Deaf:
    """A recognizer that writes `text`, and whatever comes after `seconds` of audio it does not write."""

    waits = False

    def __init__(self, text: str, later: str = "", seconds: float = 0.0) -> None:
        self._text = text
        self._later = later
        self._left = round(seconds * INPUT_RATE)

    def push(self, pcm: Pcm) -> Heard:
        self._left -= len(pcm)
        return Heard()

    def finish(self) -> Heard:
        return Heard(committed=self._text if self._left > 0 or not self._later else self._later)


def pcm(seconds: float) -> Pcm:
    return np.full(round(seconds * INPUT_RATE), 0.1, np.float32)


async def finished(stream: Deaf, *pieces_s: float) -> str:
    """The words of a turn that paused after each of its pieces."""
    workers = Workers(1)
    parts = iter(["Apartment 3B", "Springfield"])
    try:
        utterance = Utterance("item", stream, workers, reopen=lambda: Deaf(next(parts)))
        for seconds in pieces_s:
            utterance.add(pcm(seconds))
            heard = await utterance.finish()
    finally:
        workers.close()
    return heard.text


async def test_what_a_recognizer_misses_after_a_pause_is_transcribed_by_itself() -> None:
    assert await finished(Deaf("1240 Maple Street."), 2, 1, 1) == "1240 Maple Street. Apartment 3B Springfield"


async def test_a_moment_of_silence_is_nothing_that_was_missed() -> None:
    assert await finished(Deaf("1240 Maple Street."), 2, 0.2) == "1240 Maple Street."


async def test_what_it_writes_after_all_is_not_said_twice() -> None:
    whole = "1240 Maple Street, apartment 3B, Springfield."
    assert await finished(Deaf("1240 Maple Street.", whole, 3.5), 2, 1, 1) == whole


async def test_what_comes_while_a_look_waits_is_not_transcribed_again() -> None:
    """On a busy machine, a look at a pause hears what was said until it was taken."""
    workers, free = Workers(1), threading.Event()
    try:
        utterance = Utterance("item", Deaf("What time is it?"), workers, reopen=lambda: Deaf("Is it?"))
        utterance.add(pcm(1))
        following = asyncio.create_task(workers.run(Urgency.DETECT, free.wait))
        listening = asyncio.create_task(utterance.listen())
        await asyncio.sleep(0)
        first = asyncio.create_task(utterance.finish())
        await asyncio.sleep(0)
        utterance.add(pcm(1))
        free.set()
        await asyncio.gather(following, listening, first)
        assert (await utterance.finish()).text == "What time is it?"
    finally:
        workers.close()
