"""Sampling of the next token from a model's logits."""

import torch

from pipeline.decoders.decoder import Sampling


class Sampler:
    """The random draws of one answer: with a seed, always the same."""

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._sampling = sampling
        self._random = torch.Generator(device)
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    @torch.inference_mode()
    def draw(self, logits: torch.Tensor) -> int:
        """Draw a token from `logits`, shape (vocabulary,)."""
        if self._sampling.temperature == 0:
            return int(logits.argmax())
        likeliest, tokens = (logits / self._sampling.temperature).softmax(0).sort(descending=True)
        # A token counts while the likelier ones together do not reach top_p: the first always counts.
        counts = likeliest.cumsum(0) - likeliest < self._sampling.top_p
        return int(tokens[torch.multinomial(likeliest * counts, 1, generator=self._random)])
