"""The contract of encoders: samples in, text or audio units out, while the person is still speaking."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from audio.pcm import Pcm
from pipeline.encoders.audio_units import AudioUnit
from pipeline.runtime.workers import Urgency, Workers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one stream has understood of an utterance so far.

    Speech recognizers fill `committed` and `tentative`. `committed` only grows from push to push and in the following
    finish; `tentative` is the best guess for the rest and may change with every push. Text that only `finish`
    committed is withdrawn if a push follows; text that a push committed stays. Each word has its leading space where
    the language has one, so `committed + tentative` is the caption.

    Audio encoders fill `committed_units` and `tentative_units`, with embeddings or with clips for a server that
    encodes them. A committed unit is the same object from push to push and in the finish. Only `finish` fills
    `tentative_units`, the open tail: every further sample would change it, so it is not computed while audio is still
    arriving. One exception: where a model scales an utterance by its loudest moment, louder audio changes earlier
    embeddings, and those are replaced even if they were committed. A reader continues from the first unit that is a
    different object.
    """

    committed: str = ""
    tentative: str = ""
    manner: str = ""
    """A note in words on how it was said, for a decoder that reads text; not part of the transcript."""
    unclear: bool = False
    """Whether somebody spoke and a recognizer believes none of the words that it found: another language, or noise."""
    committed_units: tuple[AudioUnit, ...] = ()
    tentative_units: tuple[AudioUnit, ...] = ()

    @property
    def text(self) -> str:
        """The caption: committed and tentative text, without surrounding white space."""
        return (self.committed + self.tentative).strip()

    @property
    def units(self) -> tuple[AudioUnit, ...]:
        """Committed and tentative units, in the order of the audio."""
        return self.committed_units + self.tentative_units


class EncoderStream(Protocol):
    """The encoder's state for one utterance. Calls block while the model runs: `on_thread` makes them."""

    @property
    def waits(self) -> bool:
        """Whether its calls wait for a server rather than computing on this machine."""
        ...

    def push(self, pcm: Pcm) -> Heard:
        """Take the next samples (float32, mono, 16 kHz, any length) and return what is understood so far."""
        ...

    def finish(self) -> Heard:
        """Return everything, as if the audio ended here. A later push resumes the utterance.

        Finishing again with nothing pushed in between returns the same at no cost.
        """
        ...


@dataclass(frozen=True, slots=True)
class Glance:
    """What one quick look at a short utterance found."""

    text: str
    logprob: float
    """Mean log-probability of a token of the text, natural logarithm."""
    doubted: bool
    """Whether the recognizer holds it for likelier that nobody spoke, or that it made the words up."""


@runtime_checkable
class GlancingStream(Protocol):
    """A stream that can look quickly at a short utterance, and say how sure it is."""

    def glance(self) -> Glance:
        """The words of one pass. `finish` may find more, with a second pass."""
        ...


class Encoder(Protocol):
    """A loaded model, shared by all conversations and safe to use from several threads."""

    @property
    def exact(self) -> bool:
        """Whether `finish` equals one-shot encoding of the same audio, and the committed part a prefix of it.

        Audio that is too long for the model is cut in silence: then this holds for each piece.
        """
        ...

    def open(self) -> EncoderStream:
        """A stream for a new utterance."""
        ...

    def warm_up(self) -> None:
        """Run the model once, so that the first utterance is as fast as the next. Blocks."""
        ...


async def on_thread(workers: Workers, urgency: Urgency, stream: EncoderStream, work: Callable[[], T]) -> T:
    """The result of `work`, which calls `stream`: computed by the workers, or awaited outside of them."""
    return await (workers.wait(work) if stream.waits else workers.run(urgency, work))
