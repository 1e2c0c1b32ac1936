"""Answers of the model that is trained, many at a time."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import GenerationConfig, PreTrainedModel

from training.model.prompts import Prompts
from training.processes import in_parts

MOST_TOKENS = 48
"""Tokens of a thought and its answer."""


@torch.no_grad()
def write_answers(
    model: PreTrainedModel,
    prompts: Prompts,
    read: Sequence[Sequence[int]],
    *,
    temperature: float,
    batch: int = 64,
) -> list[list[int]]:
    """The ids that the model writes after each prompt, the token that ends them included.

    `temperature`: 0 takes the likeliest token. Prompts of one call are padded on the left.
    """
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=MOST_TOKENS,
        do_sample=temperature > 0,
        temperature=temperature or None,
        top_k=0 if temperature else None,
        eos_token_id=prompts.end,
        pad_token_id=prompts.end,
    )
    was_training, written = model.training, list[list[int]]()
    nn.Module.eval(model)
    for start in range(0, len(read), batch):
        part = read[start : start + batch]
        longest = max(map(len, part))
        ids = torch.tensor([[prompts.end] * (longest - len(one)) + list(one) for one in part])
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in part])
        made = model.generate(  # type: ignore[operator]
            input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
        )
        written += [_ended(row.tolist(), prompts.end) for row in made[:, longest:]]
    model.train(was_training)
    return written


def sampled(
    model: PreTrainedModel, prompts: Prompts, read: Sequence[Sequence[int]], samples: int
) -> list[list[list[int]]]:
    """The ids of `samples` answers to each prompt, drawn at temperature 1. Several processes share the prompts."""

    def draw(read: Sequence[Sequence[int]]) -> list[list[list[int]]]:
        written = write_answers(model, prompts, [ids for ids in read for _ in range(samples)], temperature=1.0)
        return [written[start : start + samples] for start in range(0, len(written), samples)]

    return in_parts(draw, read)


def _ended(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end) + 1] if end in ids else ids
