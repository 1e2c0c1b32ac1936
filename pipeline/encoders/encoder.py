"""The contract every encoder keeps: a stream of samples in, what was heard out."""

from dataclasses import dataclass
from typing import Protocol

from tts.synthesizer import Pcm


@dataclass(frozen=True, slots=True)
class Heard:
    """What one stream has understood so far.

    `committed` only grows from push to push and in the finish that follows; `tentative` is the best guess for the
    rest and may change with every push. What only a finish committed is given up again if a push follows it: the
    words that pushes committed stay, always. Text encoders put words here, each with its leading space where it
    has one, so that `committed + tentative` is the caption.
    """

    committed: str = ""
    tentative: str = ""

    @property
    def text(self) -> str:
        return (self.committed + self.tentative).strip()


class EncoderStream(Protocol):
    """One utterance of one conversation. Calls block while the model runs: they belong on a worker thread."""

    def push(self, pcm: Pcm) -> Heard:
        """Take the next samples (float32, mono, 16 kHz, any length) and say what was heard so far."""
        ...

    def finish(self) -> Heard:
        """Say what was heard, all of it committed. Pushing more afterwards takes the utterance up again.

        Finishing again with nothing pushed in between says the same, at no cost.
        """
        ...


class Encoder(Protocol):
    """A loaded model, shared by all conversations and safe to use from several threads."""

    @property
    def exact(self) -> bool:
        """Whether the committed output equals what encoding the same audio in one piece would give."""
        ...

    def open(self) -> EncoderStream: ...

    def warm_up(self) -> None:
        """Do once what would make the first utterance slower than the next."""
        ...
