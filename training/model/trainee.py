"""A model in training: it reads recordings by the ids of a table, until it is put together again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from pipeline.decoders.torch_models.step_audio import StepAudioModules
from training.data.acoustic import Question
from training.model.checkpoint import read_checkpoint
from training.model.prompts import Prompts
from training.model.sound_table import Hearing, SoundEmbedding, rows_of


class Trainee:
    """The parts of one model: `decoder` is what trainers train; the encoder stays as it is."""

    def __init__(
        self, modules: StepAudioModules, tokenizer: PreTrainedTokenizerFast, dtype: torch.dtype = torch.float32
    ) -> None:
        self.tokenizer = tokenizer
        self.prompts = Prompts(tokenizer)
        self._modules = modules
        self._hearing = Hearing(modules)
        self.decoder: PreTrainedModel = nn.Module.to(modules.decoder, dtype)
        words = modules.decoder.get_input_embeddings()
        assert isinstance(words, nn.Embedding)
        self.decoder.set_input_embeddings(SoundEmbedding(words, modules.adaptor))

    @classmethod
    def read(cls, folder: Path, dtype: torch.dtype = torch.float32) -> Self:
        """The model of a checkpoint, its decoder as `dtype`. Raises `CheckpointError`."""
        return cls(*read_checkpoint(folder), dtype)

    def hear(self, questions: Sequence[Question]) -> list[list[int] | None]:
        """The ids of each question's recording; None for a question of text."""
        return self.keep(self.heard(questions))

    def heard(self, questions: Sequence[Question]) -> list[torch.Tensor | None]:
        """The rows of each question's recording, the same after every stage because the encoder is frozen."""
        return [
            None if question.pcm is None else rows_of(self._hearing.vectors(question.pcm)) for question in questions
        ]

    def keep(self, heard: Sequence[torch.Tensor | None]) -> list[list[int] | None]:
        """Put rows into the table, and return the ids of each recording."""
        embedding = self.embedding
        return [None if rows is None else embedding.add(rows) for rows in heard]

    def modules(self) -> StepAudioModules:
        """The model with what was learned, as the agent loads it. It reads no ids of recordings any more."""
        embedding = self.embedding
        self._modules.adaptor.load_state_dict(embedding.adaptor.state_dict())
        self.decoder.set_input_embeddings(embedding.words)
        self._modules.decoder = self.decoder  # type: ignore[assignment]
        return self._modules

    @property
    def embedding(self) -> SoundEmbedding:
        """What turns the ids of words and recordings into vectors."""
        embedding = self.decoder.get_input_embeddings()
        assert isinstance(embedding, SoundEmbedding)
        return embedding
