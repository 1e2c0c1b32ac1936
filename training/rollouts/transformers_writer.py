"""Answers that transformers writes in this process."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from transformers import GenerationConfig, PreTrainedModel

from training.rollouts.writer import MOST_TOKENS, Written


class TransformersWriter:
    """Writes with a model of this process."""

    whole = ("adaptor", "lm_head")

    def __init__(self, model: PreTrainedModel, end: int, batch: int = 64) -> None:
        """`end`: the token that ends an answer. `batch`: answers at a time."""
        self._current: Callable[[], PreTrainedModel] = lambda: model
        self._end = end
        self._batch = batch

    def follow(self, trainer: Any) -> None:  # noqa: ANN401 - as the contract has it
        """Write with the trainer's own model."""
        self._current = lambda: trainer.model

    @torch.no_grad()
    def write(self, read: Sequence[Sequence[int]], samples: int, temperature: float) -> list[list[Written]]:
        """Prompts of one batch are padded on the left."""
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=MOST_TOKENS,
            do_sample=temperature > 0,
            temperature=temperature or None,
            top_k=0 if temperature else None,
            eos_token_id=self._end,
            pad_token_id=self._end,
        )
        model, written = self._current(), list[Written]()
        was_training = model.training
        asked = [ids for ids in read for _ in range(samples)]
        nn.Module.eval(model)
        for start in range(0, len(asked), self._batch):
            part = asked[start : start + self._batch]
            longest = max(map(len, part))
            ids = torch.tensor([[self._end] * (longest - len(one)) + list(one) for one in part])
            mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in part])
            made = model.generate(  # type: ignore[operator]
                input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
            )
            written += [Written(self._ended(row.tolist())) for row in made[:, longest:]]
        model.train(was_training)
        return [written[start : start + samples] for start in range(0, len(written), samples)]

    def _ended(self, ids: list[int]) -> list[int]:
        return ids[: ids.index(self._end) + 1] if self._end in ids else ids
