"""`antiphon say`: a text spoken at this machine's loudspeaker or into a file."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from audio.pcm import Pcm, silence
from audio.resampler import Resampler
from realtime.protocol.audio_format import WIRE_RATE
from realtime.terminal.sound_card import playing
from realtime.terminal.speaker import SpeakerOutput
from tts.frontend.clauses import clauses_of
from tts.synthesizer import Voice

_LOOK_S = 0.05
_SAID = "said"


@dataclass(frozen=True, slots=True)
class Said:
    """Length and timing of a spoken text."""

    seconds: float
    first_sound_s: float | None
    """Time from the text to its first audio; None if there was nothing to say."""
    took_s: float


async def speak(voice: Voice, text: str, take: Callable[[Pcm], None]) -> Said:
    """Speak `text` clause by clause, as answers are spoken. `take` gets the audio at 24 kHz as it is produced."""
    resampler = Resampler(voice.sample_rate, WIRE_RATE)
    began, first, samples = time.perf_counter(), None, 0
    for clause in clauses_of(text):
        chunks = voice.speak(clause)
        while (speech := await asyncio.to_thread(partial(next, chunks, None))) is not None:
            if first is None and len(speech.pcm):
                first = time.perf_counter() - began
            samples += len(speech.pcm)
            take(resampler.push(speech.pcm))
    take(resampler.push(silence(0), last=True))
    return Said(samples / voice.sample_rate, first, time.perf_counter() - began)


async def speak_aloud(voice: Voice, text: str, device: str | None) -> Said:
    """Speak `text` at a loudspeaker, given by number or name (None: the default). Raises `NoSoundDevice`."""
    speaker = SpeakerOutput()
    with playing(speaker, device):
        said = await speak(voice, text, partial(speaker.add, _SAID))
        speaker.complete(_SAID)
        while True:
            if all(answer.finished for answer in speaker.progress()):
                return said
            await asyncio.sleep(_LOOK_S)
