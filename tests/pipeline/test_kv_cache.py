import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from pipeline.kv_cache import fork


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
