"""The contract every voice keeps: a clause of words in, chunks of speech with word times out."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.float32]
"""Mono samples in [-1, 1], shape (n,)."""


@dataclass(frozen=True, slots=True)
class Word:
    """One unit of a clause as it stands in the text and as a person would say it.

    `written` may hold spaces where several written words are said as one unit: "$5 million" is spoken
    "five million dollars". Punctuation that belongs to the word stays in `written`; of it, `spoken` keeps one mark at
    which the voice pauses inside the clause. `spoken` is "" where nothing is said: an emoji, a dash, code.
    """

    written: str
    spoken: str


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of words that is synthesized in one breath.

    `stop` is the mark that closes it ("," ";" ":" "." "?" "!"), or "" where the text was cut without one.
    """

    words: tuple[Word, ...]
    stop: str = ""

    def joined(self, following: "Clause") -> "Clause":
        """Both as one: the mark between them becomes a pause inside."""
        if not self.words:
            return following
        last = self.words[-1]
        between = Word(last.written, last.spoken + self.stop)
        return Clause((*self.words[:-1], between, *following.words), following.stop)

    @property
    def written(self) -> str:
        return " ".join(word.written for word in self.words)

    @property
    def spoken(self) -> str:
        return " ".join(word.spoken for word in self.words if word.spoken) + self.stop

    def said_in(self, language: str) -> str:
        """As a voice of this language is given it, "" for one that is not known: only English is made speakable."""
        if not language or language.lower().startswith("en"):
            return self.spoken
        return " ".join(word.written for word in self.words if word.spoken)


@dataclass(frozen=True, slots=True)
class WordTime:
    """When one word of the clause sounds, in samples of the voice's rate from the clause's first sample."""

    index: int
    """Position in `Clause.words`."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Speech:
    """A chunk of a clause's audio, at most ~200 ms, and the words that begin in it."""

    pcm: Pcm
    words: tuple[WordTime, ...] = ()


@dataclass(frozen=True, slots=True)
class VoiceInfo:
    """What a person chooses a voice by."""

    name: str
    language: str
    licence: str


class Voice(Protocol):
    """One conversation's hold on a voice. Not for two threads at once."""

    @property
    def sample_rate(self) -> int: ...

    @property
    def waits(self) -> bool:
        """Whether `speak` waits for sound that is made elsewhere: it must not hold up who computes."""
        ...

    def speak(self, clause: Clause) -> Iterator[Speech]:
        """Synthesize `clause` chunk by chunk; each step computes one chunk, so dropping the iterator stops the work."""
        ...


class Synthesizer(Protocol):
    """A loaded engine, shared by all conversations; `open` and the voices' `speak` may run on any thread."""

    @property
    def voices(self) -> Sequence[VoiceInfo]: ...

    def open(self, voice: str) -> Voice:
        """Raises `UnknownVoice` if there is none of that name."""
        ...


@runtime_checkable
class Closable(Protocol):
    """An engine that holds more than memory: connections, a process."""

    def close(self) -> None: ...


@runtime_checkable
class Stoppable(Protocol):
    """Speech whose making can be broken off: `stop` does, at once and from any thread, also while another is at it."""

    def stop(self) -> None: ...


class UnknownVoice(ValueError):
    """No voice has that name; the message lists those that there are."""


def check_known(voice: str, names: Collection[str]) -> None:
    """Raises `UnknownVoice` unless `voice` is one of `names`."""
    if voice not in names:
        raise UnknownVoice(f"there is no voice {voice!r}; there are {', '.join(names)}")


class SpeechFailed(RuntimeError):
    """A voice can't go on: its server is gone, refuses, or broke off. `speak` raises it; the message says why."""
