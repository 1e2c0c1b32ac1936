"""The contract of every voice: a clause of words goes in, chunks of speech with word times come out."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from audio.pcm import Pcm


@dataclass(frozen=True, slots=True)
class Word:
    """One unit of a clause, as it is written and as a person would say it.

    `written` contains spaces where several written words are said as one unit: "$5 million" is spoken
    "five million dollars". Punctuation attached to the word stays in `written`; `spoken` keeps at most one mark of it,
    where the voice pauses inside the clause. `spoken` is "" for what has no spoken form: an emoji, a dash, code.
    """

    written: str
    spoken: str


@dataclass(frozen=True, slots=True)
class Clause:
    """A run of words that is synthesized in one go.

    `stop` is the mark that closes it ("," ";" ":" "." "?" "!"), or "" if the text was cut where there is no mark.
    """

    words: tuple[Word, ...]
    stop: str = ""

    def joined(self, following: "Clause") -> "Clause":
        """This clause and `following` as one clause; the mark between them becomes a pause inside it."""
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
        """The text to synthesize in `language` (a BCP 47 tag, "" if unknown).

        English text is spelled out (`spoken`). The front end knows no other language, so a voice that speaks one gets
        the written text, without the words that have no spoken form.
        """
        if not language or language.lower().startswith("en"):
            return self.spoken
        return " ".join(word.written for word in self.words if word.spoken)


@dataclass(frozen=True, slots=True)
class WordTime:
    """Start and end of one word of a clause, in samples at the voice's rate, counted from the clause's first sample."""

    index: int
    """Position in `Clause.words`."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Speech:
    """A chunk of a clause's audio (float32 mono, at most about 200 ms) and the times of the words that begin in it."""

    pcm: Pcm
    words: tuple[WordTime, ...] = ()


Sex = Literal["female", "male", ""]
"""That of a voice; "" if it is unknown."""


@dataclass(frozen=True, slots=True)
class VoiceInfo:
    """What people choose a voice by. What is unknown is ""."""

    name: str
    language: str
    """A BCP 47 tag."""
    licence: str
    sex: Sex = ""


class Voice(Protocol):
    """A voice as opened by one conversation. Not thread-safe."""

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio that `speak` returns."""
        ...

    @property
    def waits(self) -> bool:
        """Whether `speak` blocks on audio computed elsewhere (a server, another thread) rather than on this CPU.

        Callers run such a voice outside the pool of compute threads, which it would otherwise hold up.
        """
        ...

    def speak(self, clause: Clause) -> Iterator[Speech]:
        """Synthesize `clause` chunk by chunk. Each step computes one chunk, so dropping the iterator stops the work.

        Raises `SpeechFailed` if the engine cannot continue.
        """
        ...


@runtime_checkable
class Paced(Protocol):
    """A voice whose model can speak faster and slower."""

    def at_speed(self, speed: float) -> Voice:
        """The same voice at `speed` times its pace: 2 talks twice as fast. It replaces this one."""
        ...


class Synthesizer(Protocol):
    """A loaded speech engine, shared by all conversations; `open` and the voices' `speak` may run on any thread."""

    @property
    def voices(self) -> Sequence[VoiceInfo]:
        """The voices that `open` accepts, the default one first."""
        ...

    def open(self, voice: str) -> Voice:
        """Open the voice named `voice` for one conversation. Raises `UnknownVoice` if no voice has that name."""
        ...


@runtime_checkable
class Closable(Protocol):
    """An engine that holds resources besides memory: connections, a process."""

    def close(self) -> None:
        """Release those resources. The engine cannot be used afterwards."""
        ...


@runtime_checkable
class Stoppable(Protocol):
    """Speech whose synthesis can be aborted from another thread."""

    def stop(self) -> None:
        """Abort at once. May be called from any thread, even while another one computes the next chunk."""
        ...


class UnknownVoice(ValueError):
    """The requested voice does not exist; the message lists the existing ones."""


def check_known(voice: str, names: Collection[str]) -> None:
    """Raise `UnknownVoice` unless `voice` is one of `names`."""
    if voice not in names:
        raise UnknownVoice(f"there is no voice {voice!r}; there are {', '.join(names)}")


class SpeechFailed(RuntimeError):
    """Synthesis failed: the engine's server is unreachable, refused the request or broke off. The message says why."""
