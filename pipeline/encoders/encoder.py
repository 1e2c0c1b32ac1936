"""The contract every encoder keeps: a stream of samples in, what was heard out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pipeline.embeddings import Sound
from tts.synthesizer import Pcm


@dataclass(frozen=True, slots=True)
class Heard:
    """What one stream has understood so far.

    `committed` only grows from push to push and in the finish that follows; `tentative` is the best guess for the
    rest and may change with every push. What only a finish committed is given up again if a push follows it: the
    words that pushes committed stay, always. Text encoders put words here, each with its leading space where it
    has one, so that `committed + tentative` is the caption.

    Encoders of sound put embeddings in the same way, or clips for a server that encodes them: what stays is the same
    object from push to push, and in the finish. Only the finish has `tentative_sound`, the open end as if nothing
    followed: the next sample would change all of it, so nobody pays for it before the sound stops. Another
    difference: where a model scales an utterance by its loudest moment, louder sound changes earlier embeddings, and
    those that it changes are replaced even if they were committed. Who reads them reads on from the first that is
    another one.
    """

    committed: str = ""
    tentative: str = ""
    manner: str = ""
    """How it was said, in words for a decoder that reads; not part of what was said."""
    committed_sound: tuple[Sound, ...] = ()
    tentative_sound: tuple[Sound, ...] = ()

    @property
    def text(self) -> str:
        return (self.committed + self.tentative).strip()

    @property
    def sound(self) -> tuple[Sound, ...]:
        return self.committed_sound + self.tentative_sound


class EncoderStream(Protocol):
    """One utterance of one conversation. Calls block while the model runs: they belong on a worker thread."""

    def push(self, pcm: Pcm) -> Heard:
        """Take the next samples (float32, mono, 16 kHz, any length) and say what was heard so far."""
        ...

    def finish(self) -> Heard:
        """Say all that was heard, as if nothing followed. Pushing more afterwards takes the utterance up again.

        Finishing again with nothing pushed in between says the same, at no cost.
        """
        ...


@runtime_checkable
class Overhearing(Protocol):
    """A stream that can look quickly at a short utterance, and weigh words against others."""

    def glance(self) -> str:
        """The words, at one look; none where it doubts them, and `finish` may know better."""
        ...

    def margin(self, words: str, others: Sequence[str]) -> float:
        """How much likelier than the likeliest of `others` are these words: the difference of natural logarithms."""
        ...


class Encoder(Protocol):
    """A loaded model, shared by all conversations and safe to use from several threads."""

    @property
    def exact(self) -> bool:
        """Whether `finish` gives what encoding the same audio in one piece would give, and `committed` its beginning.

        Sound that is too long for a model is cut in silence: then each item is such a piece.
        """
        ...

    def open(self) -> EncoderStream: ...

    def warm_up(self) -> None:
        """Do once what would make the first utterance slower than the next."""
        ...
