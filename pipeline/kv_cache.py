"""Forks of transformers' caches, and several of them side by side."""

import copy
from collections.abc import Sequence

import torch
from transformers import Cache, DynamicCache


def fork(cache: DynamicCache) -> DynamicCache:
    """A cache that goes on by itself from here, at no cost: layers grow by concatenation, so tensors can be shared."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin


class Rows(Cache):
    """Several caches as the rows of one, for a pass that reads a token into each. What is new goes into their own.

    The model sees all rows as long as the longest, padded at the beginning: what is so many tokens back stands so many
    places back in each, as sliding windows need it. `seen` is the mask that hides the padding. The padded copies live
    as long as their layer computes, so they never take more than a layer's share of what such long caches take.
    """

    def __init__(self, caches: Sequence[DynamicCache]) -> None:
        super().__init__(layers=[])
        self._caches = caches

    def seen(self) -> torch.Tensor:
        """For each row, what it has at each place, the new token's included. Shape (rows, places)."""
        lengths = torch.tensor([[cache.get_seq_length()] for cache in self._caches])
        return torch.arange(self.get_seq_length() + 1) >= self.get_seq_length() - lengths

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        new = zip(self._caches, key_states[:, None], value_states[:, None], strict=True)
        grown = [cache.update(keys, values, layer_idx) for cache, keys, values in new]
        return _padded([keys for keys, _ in grown]), _padded([values for _, values in grown])

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return max(cache.get_seq_length(layer_idx) for cache in self._caches)

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self.get_seq_length(layer_idx) + query_length, 0


def _padded(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """Rows of shape (1, heads, length, width) as one tensor, zeros before the shorter ones: a mask hides no NaN."""
    _, heads, _, width = rows[0].shape
    longest = max(row.shape[2] for row in rows)
    batch = rows[0].new_zeros(len(rows), heads, longest, width)
    for place, row in zip(batch, rows, strict=True):
        place[:, longest - row.shape[2] :] = row[0]
    return batch
