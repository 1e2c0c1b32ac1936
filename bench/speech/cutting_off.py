"""Time until a voice stops working after its answer was cut off."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from pipeline.runtime.workers import Urgency, Workers
from tts.synthesizer import Clause, Stoppable, Voice

CUTS = 10


@dataclass(frozen=True, slots=True)
class CutOff:
    """Clauses that were cut off at random moments."""

    stops_ms: list[float]
    """Milliseconds from each cancellation until the voice's thread was idle."""
    chunk_ms: float
    """Longest time in which the model produced one chunk."""


def measure(voice: Voice, clauses: Sequence[Clause]) -> CutOff:
    """Cut each clause off several times, at moments that are the same in every measurement."""
    return asyncio.run(_measure(voice, clauses))


async def _measure(voice: Voice, clauses: Sequence[Clause]) -> CutOff:
    workers, random = Workers(1), Random(0)
    try:
        steps = [await _spoken(workers, voice, clause) for clause in clauses]
        stops = []
        for cut in range(CUTS):
            number = cut % len(clauses)
            stops.append(await _cut_off(workers, voice, clauses[number], random.uniform(0, sum(steps[number]))))
    finally:
        workers.close()
    return CutOff([1e3 * stop for stop in stops], 1e3 * max(map(max, steps)))


async def _spoken(workers: Workers, voice: Voice, clause: Clause) -> list[float]:
    """Speak a clause; returns the seconds that each chunk took."""
    chunks, took, speech = voice.speak(clause), [], True
    try:
        while speech:
            began = time.perf_counter()
            speech = await workers.run(Urgency.SPEECH, partial(next, chunks, None)) is not None
            took.append(time.perf_counter() - began)
    finally:
        if isinstance(chunks, Stoppable):
            chunks.stop()
    return took


async def _cut_off(workers: Workers, voice: Voice, clause: Clause, after_s: float) -> float:
    speaking = asyncio.create_task(_spoken(workers, voice, clause))
    await asyncio.sleep(after_s)
    began = time.perf_counter()
    speaking.cancel()
    await asyncio.wait([speaking])
    await workers.run(Urgency.DETECT, lambda: None)
    return time.perf_counter() - began
