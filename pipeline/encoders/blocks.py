"""The stream of models whose encoder works in blocks that do not see each other: a block that is full is done."""

from dataclasses import dataclass
from typing import Protocol

import torch

from pipeline.embeddings import Embeddings
from pipeline.encoders.features import FrontEnd, floor_of
from pipeline.encoders.logmel import LogMels
from pipeline.encoders.sound import SoundStream, as_embeddings
from tts.synthesizer import Pcm

_FADING = 2
"""Frames behind the last one that still hear its end, where silence follows: they count for how loud it all was."""


class BlockEncoding(Protocol):
    """What a tower makes of one block. It is given the block's unscaled log-mel so far, and where that is cut off."""

    def prepare(self, log_mels: LogMels, floor: float) -> None:
        """Do what can be done before the block is full."""
        ...

    def encode(self, log_mels: LogMels, floor: float) -> torch.Tensor:
        """Its embeddings, as if it ended here."""
        ...


class BlockTower(Protocol):
    """A loaded encoder of that kind."""

    front: FrontEnd
    block_frames: int

    def frames(self, samples: int) -> int:
        """How many log-mel frames the model's own feature extractor makes of an utterance."""
        ...

    def mirrors(self, samples: int) -> bool:
        """Whether its last frames see the sound reflected; otherwise they see silence behind it."""
        ...

    def begin(self, block: int) -> BlockEncoding: ...


@dataclass(slots=True)
class Block:
    log_mels: LogMels
    quietest: float
    floor: float
    sound: Embeddings


class BlockStream(SoundStream):
    """One utterance. The log-mel of closed blocks is kept: where louder sound lifts the floor of quiet frames, the
    blocks that have such frames are encoded again. Memory and work grow in proportion to the sound."""

    def __init__(self, tower: BlockTower) -> None:
        super().__init__()
        self._tower = tower
        self._mel = tower.front.open()
        self._blocks: list[Block] = []
        self._open = tower.begin(0)
        self._lifted = 0
        """Samples that had come when the floor of closed blocks was last seen to."""

    def _take(self, pcm: Pcm) -> None:
        self._mel.push(pcm)
        while self._mel.finished >= self._tower.block_frames:
            self._close()
        # Not at every push: in a turn that only ever got louder, the work would grow with the square of its length.
        if self.samples > self._lifted * 9 // 8:
            self._lifted = self.samples
            self._lift(floor_of(self._mel.loudest))
        self._open.prepare(self._mel.unscaled(self._mel.finished), floor_of(self._mel.loudest))

    def _committed(self) -> tuple[Embeddings, ...]:
        return tuple(block.sound for block in self._blocks)

    def _rest(self) -> tuple[Embeddings, ...]:
        frames = self._tower.frames(self.samples) - len(self._blocks) * self._tower.block_frames
        mirrors = self._tower.mirrors(self.samples)
        heard = self._mel.unscaled(frames if mirrors else frames + _FADING, mirrors)
        floor = floor_of(float(heard.max(initial=self._mel.loudest)))
        self._lift(floor)
        log_mels = heard[:, :frames]
        if not log_mels.shape[1]:
            return ()
        return as_embeddings(self._open.encode(log_mels, floor), continues=bool(self._blocks))

    def _close(self) -> None:
        log_mels, floor = self._mel.drop(self._tower.block_frames), floor_of(self._mel.loudest)
        sound = Embeddings(self._open.encode(log_mels, floor), continues=bool(self._blocks))
        self._blocks.append(Block(log_mels, float(log_mels.min()), floor, sound))
        self._open = self._tower.begin(len(self._blocks))

    def _lift(self, floor: float) -> None:
        """Encode those closed blocks again that another floor changes."""
        for index, block in enumerate(self._blocks):
            if block.floor != floor and block.quietest < max(block.floor, floor):
                vectors = self._tower.begin(index).encode(block.log_mels, floor)
                block.sound = Embeddings(vectors, continues=index > 0)
            block.floor = floor
