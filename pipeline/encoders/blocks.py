"""The stream of models whose encoder works in blocks that do not see each other: a block that is full is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from pipeline.embeddings import Embeddings
from pipeline.encoders.features import FrontEnd, floor_of, scaled
from pipeline.encoders.logmel import HOP, LogMels
from pipeline.encoders.sound import SoundStream, as_embeddings
from tts.synthesizer import Pcm

Encode = Callable[[torch.Tensor], torch.Tensor]
"""A block's log-mel so far, scaled, shape (n_mels, frames), to its embeddings; called as often as the block grows."""


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

    def begin(self, block: int) -> Encode: ...


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
        self._encode = tower.begin(0)

    def _take(self, pcm: Pcm) -> bool:
        self._mel.push(pcm)
        before = len(self._blocks)
        while self._mel.finished >= self._tower.block_frames:
            log_mels = self._mel.drop(self._tower.block_frames)
            floor = floor_of(self._mel.loudest)
            sound = Embeddings(self._encode(scaled(log_mels, floor)), continues=bool(self._blocks))
            self._blocks.append(Block(log_mels, float(log_mels.min()), floor, sound))
            self._encode = self._tower.begin(len(self._blocks))
        return len(self._blocks) > before

    def _looked_at(self) -> int:
        # The floor of every block may have moved, too.
        return max(self._open_frames(), len(self._blocks) * self._tower.block_frames // 4) * HOP

    def _committed(self) -> tuple[Embeddings, ...]:
        return tuple(block.sound for block in self._blocks)

    def _look(self) -> tuple[Embeddings, ...]:
        return self._settle(floor_of(self._mel.loudest))

    def _end(self) -> tuple[Embeddings, ...]:
        return self._settle(None)

    def _settle(self, floor: float | None) -> tuple[Embeddings, ...]:
        """Encode the open block, and those again that `floor` changes; None: that of unfinished frames, too."""
        log_mels = self._mel.unscaled(self._open_frames(), self._tower.mirrors(self.samples))
        if floor is None:
            floor = floor_of(float(log_mels.max(initial=self._mel.loudest)))
        for index, block in enumerate(self._blocks):
            if block.floor != floor and block.quietest < max(block.floor, floor):
                encode = self._tower.begin(index)
                block.sound = Embeddings(encode(scaled(block.log_mels, floor)), continues=index > 0)
            block.floor = floor
        if not log_mels.shape[1]:
            return ()
        return as_embeddings(self._encode(scaled(log_mels, floor)), continues=bool(self._blocks))

    def _open_frames(self) -> int:
        return self._tower.frames(self.samples) - len(self._blocks) * self._tower.block_frames
