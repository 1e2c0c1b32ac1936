"""Forks of transformers' caches."""

import copy

from transformers import DynamicCache


def fork(cache: DynamicCache) -> DynamicCache:
    """A cache that goes on by itself from here, at no cost: layers grow by concatenation, so tensors can be shared."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin
