"""A stream for encoders that work in independent blocks: a full block is final."""

from dataclasses import dataclass
from typing import Protocol

import torch

from audio.pcm import Pcm
from pipeline.encoders.audio_units import Embeddings
from pipeline.encoders.embedding.embedding_stream import EmbeddingStream, as_embeddings
from pipeline.encoders.embedding.features import FrontEnd, floor_of
from pipeline.encoders.logmel import LogMels

_FADING = 2
"""Frames after the last one whose windows still overlap the audio: they count towards the loudest bin."""


class BlockEncoding(Protocol):
    """The encoding of one block: from its unscaled log-mel so far, and the level at which that is clipped."""

    def prepare(self, log_mels: LogMels, floor: float) -> None:
        """Compute ahead what does not depend on the rest of the block."""
        ...

    def encode(self, log_mels: LogMels, floor: float) -> torch.Tensor:
        """The block's embeddings, shape (tokens, width), as if it ended here."""
        ...


class BlockTower(Protocol):
    """A loaded encoder that works in independent blocks of `block_frames` log-mel frames."""

    front: FrontEnd
    block_frames: int

    def frames(self, samples: int) -> int:
        """Number of log-mel frames that the model's own feature extractor makes of so many samples."""
        ...

    def mirrors(self, samples: int) -> bool:
        """Whether the last frames see the reflected audio; otherwise they see silence after it."""
        ...

    def begin(self, block: int) -> BlockEncoding:
        """Begin the encoding of the block with that index."""
        ...


@dataclass(slots=True)
class ClosedBlock:
    """A full block with what is needed to encode it again."""

    log_mels: LogMels
    quietest: float
    floor: float
    embeddings: Embeddings


class BlockStream(EmbeddingStream):
    """One utterance, encoded block by block.

    The log-mel of closed blocks is kept: where louder audio raises the clipping level above quiet frames, the blocks
    with such frames are encoded again. Memory and work grow linearly with the audio.
    """

    def __init__(self, tower: BlockTower) -> None:
        super().__init__()
        self._tower = tower
        self._mel = tower.front.open()
        self._blocks: list[ClosedBlock] = []
        self._open = tower.begin(0)
        self._lifted = 0
        """Samples received when the clipping level of closed blocks was last updated."""

    def _take(self, pcm: Pcm) -> None:
        self._mel.push(pcm)
        while self._mel.finished >= self._tower.block_frames:
            self._close()
        # Not at every push: in a turn that gets louder throughout, the work would grow with the square of its length.
        if self.samples > self._lifted * 9 // 8:
            self._lifted = self.samples
            self._lift(floor_of(self._mel.loudest))
        self._open.prepare(self._mel.unscaled(self._mel.finished), floor_of(self._mel.loudest))

    def _committed(self) -> tuple[Embeddings, ...]:
        return tuple(block.embeddings for block in self._blocks)

    def _rest(self) -> tuple[Embeddings, ...]:
        frames = self._tower.frames(self.samples) - len(self._blocks) * self._tower.block_frames
        mirrors = self._tower.mirrors(self.samples)
        seen = self._mel.unscaled(frames if mirrors else frames + _FADING, mirrors)
        floor = floor_of(float(seen.max(initial=self._mel.loudest)))
        self._lift(floor)
        log_mels = seen[:, :frames]
        if not log_mels.shape[1]:
            return ()
        return as_embeddings(self._open.encode(log_mels, floor), continues=bool(self._blocks))

    def _close(self) -> None:
        log_mels, floor = self._mel.drop(self._tower.block_frames), floor_of(self._mel.loudest)
        sound = Embeddings(self._open.encode(log_mels, floor), continues=bool(self._blocks))
        self._blocks.append(ClosedBlock(log_mels, float(log_mels.min()), floor, sound))
        self._open = self._tower.begin(len(self._blocks))

    def _lift(self, floor: float) -> None:
        """Encode again the closed blocks that the new clipping level changes."""
        for index, block in enumerate(self._blocks):
            if block.floor != floor and block.quietest < max(block.floor, floor):
                vectors = self._tower.begin(index).encode(block.log_mels, floor)
                block.embeddings = Embeddings(vectors, continues=index > 0)
            block.floor = floor
