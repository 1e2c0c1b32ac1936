"""Forking and batching of transformers' KV caches."""

import copy
from collections.abc import Sequence

import torch
from transformers import Cache, DynamicCache


def fork(cache: DynamicCache) -> DynamicCache:
    """An independent copy at no cost: layers grow by concatenation, so the two can share tensors."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin


class BatchedCache(Cache):
    """Several caches as the rows of a batch, for a pass that reads one token into each of them.

    New keys and values are appended to each row's own cache. The model sees all rows padded at the beginning to the
    length of the longest, so that a distance in tokens is a distance in positions, as sliding windows need it;
    `attention_mask` hides the padding. A padded copy lives only while its layer computes, so that at any time there is
    one layer's copy.
    """

    def __init__(self, caches: Sequence[DynamicCache]) -> None:
        super().__init__(layers=[])
        self._caches = caches

    def attention_mask(self) -> torch.Tensor:
        """Which positions each row holds, the new token's included. Bool, shape (rows, positions)."""
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
    """Stack rows of shape (1, heads, length, width), shorter ones after zeros: a mask would not hide NaN."""
    _, heads, _, width = rows[0].shape
    longest = max(row.shape[2] for row in rows)
    batch = rows[0].new_zeros(len(rows), heads, longest, width)
    for padded, row in zip(batch, rows, strict=True):
        padded[:, longest - row.shape[2] :] = row[0]
    return batch
