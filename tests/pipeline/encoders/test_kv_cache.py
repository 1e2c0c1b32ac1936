import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from pipeline.encoders.kv_cache import BatchedCache, fork


def cache(length: int) -> DynamicCache:
    made = DynamicCache()
    for layer in range(3):
        made.update(torch.ones(1, 2, length, 4), torch.ones(1, 2, length, 4), layer)
    return made


def addresses(made: DynamicCache) -> list[int]:
    layers = [layer for layer in made.layers if isinstance(layer, DynamicLayer)]
    return [layer.keys.data_ptr() for layer in layers if layer.keys is not None]


def test_a_fork_shares_the_tensors() -> None:
    parent = cache(5)
    assert len(addresses(parent)) == 3
    assert addresses(fork(parent)) == addresses(parent)


def test_each_goes_on_by_itself() -> None:
    parent = cache(5)
    child = fork(parent)
    child.update(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4), 0)
    parent.crop(-2)
    assert child.get_seq_length(0) == 8
    assert child.get_seq_length(1) == 5
    assert parent.get_seq_length(0) == 3


def test_rows_are_padded_before_the_shorter_ones_and_grow_each_by_itself() -> None:
    caches = [cache(2), cache(5)]
    rows = BatchedCache(caches)
    assert rows.get_seq_length() == 5
    assert rows.get_mask_sizes(1, 0) == (6, 0)
    assert rows.attention_mask().tolist() == [[False] * 3 + [True] * 3, [True] * 6]
    keys, values = rows.update(torch.full((2, 2, 1, 4), 2.0), torch.full((2, 2, 1, 4), 3.0), 1)
    assert keys[:, 0, :, 0].tolist() == [[0, 0, 0, 1, 1, 2], [1, 1, 1, 1, 1, 2]]
    assert values[:, 1, :, 3].tolist() == [[0, 0, 0, 1, 1, 3], [1, 1, 1, 1, 1, 3]]
    assert [made.get_seq_length(1) for made in caches] == [3, 6]
    assert [made.get_seq_length(2) for made in caches] == [2, 5], "a layer at a time"
