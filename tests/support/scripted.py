"""Stand-ins for the models, for tests of what surrounds them: every word, sound and time is known beforehand."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence

import numpy as np

from audio.pcm import Pcm
from pipeline.decoders.decoder import (
    NOTHING_GENERATED,
    Finished,
    Generated,
    Mark,
    Open,
    Sampling,
    Text,
    Token,
    Tool,
    ToolCall,
    ToolChoice,
    Unit,
)
from pipeline.encoders.audio_units import Clip
from pipeline.encoders.encoder import Encoder, EncoderStream, Heard
from pipeline.engine import Engine
from pipeline.listening.vad import FRAME_SAMPLES
from pipeline.runtime.workers import Workers
from pipeline.settings import PipelineSettings
from pipeline.voice_catalogue import VoiceCatalogue
from tts.synthesizer import Clause, Speech, UnknownVoice, Voice, VoiceInfo, WordTime

VOICE = "scripted"
VOICE_RATE = 22_050
WORD_SAMPLES = 4_410
"""Every word takes a fifth of a second."""


OVER = 0.2
"""The level of speech over the agent's voice."""
LOUD = 0.0505
"""The mean level from which a frame is speech; no whole number of samples at `OVER` comes to just that."""


ScriptedAnswer = str | ToolCall | Exception | tuple[str | ToolCall | Exception, ...]
"""A text, a tool call, an error, or several of these in one answer."""


class ScriptedDecoder:
    """Gives its answers in turn. A token is a word."""

    def __init__(self, answers: Sequence[ScriptedAnswer], capacity: int = 2048) -> None:
        self.answers = list(answers)
        self.capacity = capacity
        self.prompts: list[list[Unit]] = []
        """What each answer was asked on."""
        self.open_contexts = 0
        self.hold: asyncio.Event | None = None
        """While set and not fired, answers stop before their last token."""
        self.end_of_turn: float | None = None
        """What it says of every open turn."""
        self.trouble: Exception | None = None
        """What happens when it reads the words of an open turn."""
        self.read: list[str] = []
        """The words of the open turns that it read."""
        self.read_sound: list[Clip] = []
        """The last sound of the open turns that it read."""
        self.read_before = 0
        """How often it read what comes before an open turn, of which nothing was certain."""
        self.thinks = self.thinks_aloud = False
        self.audio_encoder: Encoder | None = None

    def open(self, instructions: str, tools: Sequence[Tool] = ()) -> "ScriptedContext":
        self.open_contexts += 1
        return ScriptedContext(self)

    async def close(self) -> None:
        pass


class ScriptedContext:
    def __init__(self, decoder: ScriptedDecoder) -> None:
        self._decoder = decoder
        self.units: list[Unit] = []
        self.appended = 0
        self._so_far = NOTHING_GENERATED

    @property
    def capacity(self) -> int:
        return self._decoder.capacity

    async def append(self, units: Sequence[Unit]) -> None:
        self.units.extend(units)
        self.appended += 1

    async def length(self) -> int:
        words = sum(len(unit.text.split()) for unit in self.units if isinstance(unit, Text))
        return words + sum(len(unit) for unit in self.units if isinstance(unit, Clip))

    def mark(self) -> Mark:
        return Mark(len(self.units))

    def rewind(self, mark: Mark) -> None:
        del self.units[mark.units :]

    async def prefill(self) -> float | None:
        last = self.units[-1]
        if isinstance(last, Clip):
            self._decoder.read_sound.append(last)
        elif isinstance(last, Open):
            self._decoder.read_before += 1
        else:
            self._read(last)
            return self._decoder.end_of_turn
        return None

    async def end_of_turn_probability(self) -> float | None:
        self._read(self.units[-1])
        return self._decoder.end_of_turn

    def _read(self, last: Unit) -> None:
        assert isinstance(last, Text)
        if self._decoder.trouble is not None:
            raise self._decoder.trouble
        self._decoder.read.append(last.text)

    async def generate(self, sampling: Sampling, tool_choice: ToolChoice = "auto") -> AsyncIterator[Generated]:
        self._decoder.prompts.append(list(self.units))
        answer = self._decoder.answers.pop(0)
        self._so_far = Finished("stop", 10, 0, 5)
        for part in answer if isinstance(answer, tuple) else (answer,):
            if isinstance(part, Exception):
                raise part
            if isinstance(part, ToolCall):
                yield part
                continue
            words = part.split(" ")
            for number, word in enumerate(words):
                self._so_far = Finished("stop", 10, 0, number + 1)
                if self._decoder.hold is not None and number == len(words) - 1:
                    await self._decoder.hold.wait()
                yield Token(word if number == 0 else f" {word}")
        yield self._so_far

    @property
    def so_far(self) -> Finished:
        return self._so_far

    async def close(self) -> None:
        self._decoder.open_contexts -= 1


class ScriptedEncoder:
    """Hears its texts in turn, one an utterance, whatever the sound; but of the level `OVER` what is `overheard`."""

    exact = True

    def __init__(self, texts: Sequence[str | Exception]) -> None:
        self.texts = list(texts)
        self.partial = ""
        """What it makes of an utterance that goes on."""
        self.overheard = ""
        """What somebody says over the agent's voice."""
        self.heard: list[Pcm] = []
        """The audio of each utterance."""
        self.pushed = 0
        """Pieces of audio that it was given."""
        self.hold: threading.Event | None = None
        """While set and not fired, no utterance is finished."""

    def open(self) -> EncoderStream:
        return ScriptedStream(self)

    def warm_up(self) -> None:
        pass


class ScriptedStream:
    waits = False

    def __init__(self, encoder: ScriptedEncoder) -> None:
        self._encoder = encoder
        self._audio: list[Pcm] = []

    def push(self, pcm: Pcm) -> Heard:
        self._audio.append(pcm)
        self._encoder.pushed += 1
        return Heard(committed=self._encoder.partial)

    def finish(self) -> Heard:
        if self._encoder.hold is not None:
            self._encoder.hold.wait()
        audio = np.concatenate(self._audio)
        if np.any(audio == np.float32(OVER)):
            return Heard(committed=self._encoder.overheard)
        self._encoder.heard.append(audio)
        text = self._encoder.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        return Heard(committed=text)


class ScriptedEar:
    """Every push is a clip that stays, but for the last one, which is open to the end."""

    exact = True

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        """What happens when it is given something to hear."""

    def open(self) -> EncoderStream:
        return ScriptedSound(self)

    def warm_up(self) -> None:
        pass


class ScriptedSound:
    waits = False

    def __init__(self, ear: ScriptedEar) -> None:
        self._ear = ear
        self._clips: list[Clip] = []

    def push(self, pcm: Pcm) -> Heard:
        if self._ear.trouble is not None:
            raise self._ear.trouble
        self._clips.append(Clip(pcm, closed=True))
        return Heard(committed_units=tuple(self._clips[:-1]))

    def finish(self) -> Heard:
        return Heard(committed_units=tuple(self._clips[:-1]), tentative_units=tuple(self._clips[-1:]))


_NOISE = np.random.default_rng(0).choice(np.array([-0.1, 0.1], dtype=np.float32), WORD_SAMPLES)
"""Like nothing that a scripted person says, so that nobody takes that for an echo."""


class ScriptedSynthesizer:
    """Every word is a fifth of a second of sound, in one chunk."""

    voices = (VoiceInfo(VOICE, "en", "none"),)

    def open(self, voice: str) -> Voice:
        if voice != VOICE:
            raise UnknownVoice(f"there is no voice {voice!r}; there is {VOICE}")
        return ScriptedVoice()


class ScriptedVoice:
    sample_rate = VOICE_RATE
    waits = False

    def speak(self, clause: Clause) -> Iterator[Speech]:
        for index in range(len(clause.words)):
            time = WordTime(index, index * WORD_SAMPLES, (index + 1) * WORD_SAMPLES)
            yield Speech(_NOISE if clause.words[index].spoken else _NOISE[:0], (time,))


class ScriptedVad:
    """Loud is speech."""

    def open(self) -> "ScriptedVadStream":
        return ScriptedVadStream()


class ScriptedVadStream:
    def __init__(self) -> None:
        self._waiting = np.zeros(0, dtype=np.float32)

    def push(self, pcm: Pcm) -> list[float]:
        audio = np.concatenate((self._waiting, pcm))
        whole = len(audio) // FRAME_SAMPLES * FRAME_SAMPLES
        self._waiting = audio[whole:]
        return [float(np.abs(frame).mean() > LOUD) for frame in audio[:whole].reshape(-1, FRAME_SAMPLES)]


def engine(
    heard: Sequence[str | Exception],
    answers: Sequence[ScriptedAnswer],
    settings: PipelineSettings | None = None,
    threads: int = 1,
) -> Engine:
    """An engine of stand-ins. Close its workers after use."""
    return Engine(
        settings=settings or PipelineSettings(),
        vad=ScriptedVad(),
        encoder=ScriptedEncoder(heard),
        decoder=ScriptedDecoder(answers),
        synthesizer=VoiceCatalogue.of(ScriptedSynthesizer()),
        workers=Workers(threads),
    )
