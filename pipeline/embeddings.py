"""Sound as a decoder reads it: vectors in the place of words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
