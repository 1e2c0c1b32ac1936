"""Audio as a decoder reads it instead of text."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audio.pcm import Pcm

if TYPE_CHECKING:  # torch takes seconds to import, and a decoder that reads text never needs it
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Embeddings of a stretch of audio. Equal only to itself: what is encoded again must be read again."""

    vectors: "torch.Tensor"
    """Shape (tokens, width of the decoder's embeddings)."""
    continues: bool = False
    """Whether the audio continues that of the preceding embeddings; otherwise a new recording begins."""

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Audio samples for a server whose model has its own encoder. Equal only to itself."""

    pcm: Pcm
    """Float32, mono, 16 kHz."""
    closed: bool
    """Whether the clip is complete: an open one is replaced by a longer one while the person speaks."""

    @property
    def continues(self) -> bool:
        """Always false: each clip is a recording of its own."""
        return False

    def __len__(self) -> int:
        """Estimate of the tokens that it takes: 12.5 a second, as in Step-Audio, and its tags."""
        return len(self.pcm) // 1280 + 3


AudioUnit = Embeddings | Clip
"""A piece of audio in a decoder's context."""
