"""Sound as a decoder reads it, in the place of words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tts.synthesizer import Pcm

if TYPE_CHECKING:  # torch takes seconds to import, and who reads words only never needs it
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """A stretch of sound. Equal only to itself: what is encoded anew is read anew."""

    vectors: "torch.Tensor"
    """Shape (tokens, width of the decoder)."""
    continues: bool = False
    """Whether it goes on where the embeddings before it end; otherwise a sound of its own begins."""

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """The sound itself, for a server whose model has an encoder of its own. Equal only to itself, too."""

    pcm: Pcm
    """At 16 kHz."""
    closed: bool
    """Whether nothing will be added to it."""

    @property
    def continues(self) -> bool:
        return False

    def __len__(self) -> int:
        """About the tokens that it takes: Step-Audio's 12.5 a second, and its tags."""
        return len(self.pcm) // 1280 + 3


Sound = Embeddings | Clip
