"""`antiphon say`: a voice at this machine's loudspeaker, or into a file."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pipeline.audio import Resampler, silence
from realtime.client import WIRE_RATE
from realtime.microphone import playing
from realtime.speaker import Speaker
from tts.clauses import ClauseSplitter
from tts.synthesizer import Pcm, Voice

_LOOK_S = 0.05
_SAID = "said"


@dataclass(frozen=True, slots=True)
class Said:
    """How a text was spoken."""

    seconds: float
    first_sound_s: float | None
    """From the text to its first sound; None: there was nothing to say."""
    took_s: float


async def speak(voice: Voice, text: str, take: Callable[[Pcm], None]) -> Said:
    """`text`, clause by clause as an answer is spoken; `take` gets its sound at 24 kHz as it is made."""
    resampler = Resampler(voice.sample_rate, WIRE_RATE)
    splitter = ClauseSplitter()
    began, first, samples = time.perf_counter(), None, 0
    for clause in [*splitter.push(text), *splitter.flush()]:
        chunks = voice.speak(clause)
        while (speech := await asyncio.to_thread(partial(next, chunks, None))) is not None:
            if first is None and len(speech.pcm):
                first = time.perf_counter() - began
            samples += len(speech.pcm)
            take(resampler.push(speech.pcm))
    take(resampler.push(silence(0), last=True))
    return Said(samples / voice.sample_rate, first, time.perf_counter() - began)


async def speak_aloud(voice: Voice, text: str, device: str | None) -> Said:
    """At a loudspeaker, by number or name; None: the system's. Raises `NoSoundDevice`."""
    speaker = Speaker()
    with playing(speaker, device):
        said = await speak(voice, text, partial(speaker.add, _SAID))
        speaker.complete(_SAID)
        while True:
            if all(answer.finished for answer in speaker.progress()):
                return said
            await asyncio.sleep(_LOOK_S)
