"""One conversation's KV cache in a transformers model: read on, go back, fork. Blocking: it belongs on a thread."""

import inspect
from collections.abc import Sequence
from itertools import takewhile

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DummyLayer, DynamicLayer, DynamicSlidingWindowLayer

from pipeline.decoders.decoder import DecoderError
from pipeline.embeddings import Embeddings
from pipeline.kv_cache import fork

Atom = int | tuple[Embeddings, int]
"""What takes one place in a context: a token, or one vector of a sound."""

CHUNK = 256
"""Atoms that are read at once. Between chunks, other conversations get their turn, and reading can be given up."""


class Reader:
    """What a model has read. Sliding-window layers keep all of it as well, their masks hide what is too far back: what
    has left a window could not be gone back to."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self.cache = DynamicCache()
        """Keys and values of what was read."""
        self._held: list[Atom] = []
        """What the cache holds, atom by atom."""
        self._extra = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}

    def __len__(self) -> int:
        return len(self._held)

    def keep(self, prompt: Sequence[Atom]) -> int:
        """Go back to where `prompt` differs from what was read, and to its last atom if it does not; give its index.

        That one must be read anew, for what would follow it is not kept.
        """
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._held, prompt, strict=False)))
        same = min(same, len(prompt) - 1)
        if same < len(self._held):
            self.cache.crop(same - len(self._held))
            del self._held[same:]
        return same

    @torch.inference_mode()
    def read(self, atoms: Sequence[Atom]) -> torch.Tensor:
        """Read on; at most as many as `chunk` gives. The logits of what may follow, float32, shape (vocabulary,)."""
        device = self._model.device
        positions = torch.arange(len(self), len(self) + len(atoms), device=device)[None]
        output = self._model(
            **self._inputs(atoms),
            # Explicit, for some models keep an offset from the last conversation they saw.
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            **self._extra,
        )
        self._held += atoms
        logits: torch.Tensor = output.logits[0, -1].float()
        return logits

    def fork(self) -> "Reader":
        """One that has read the same and goes on by itself, at no cost."""
        twin = Reader(self._model)
        twin.cache = fork(self.cache)
        twin._held = list(self._held)
        return twin

    def _inputs(self, atoms: Sequence[Atom]) -> dict[str, torch.Tensor]:
        device = self._model.device
        if isinstance(atoms[0], int):
            return {"input_ids": torch.tensor([atoms], device=device)}
        vectors = [atom[0].vectors[atom[1]] for atom in atoms if not isinstance(atom, int)]
        return {"inputs_embeds": torch.stack(vectors)[None].to(device, self._model.dtype)}


def chunk(prompt: Sequence[Atom], at: int) -> Sequence[Atom]:
    """What is read next: tokens or sound, for a model takes one of them at a time."""
    kind = isinstance(prompt[at], int)
    end = at + 1
    while end < len(prompt) and end - at < CHUNK and isinstance(prompt[end], int) == kind:
        end += 1
    return prompt[at:end]


def check_rewindable(model: PreTrainedModel) -> None:
    """Raises `DecoderError` for a model with layers whose state can't be taken back."""
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    # A dummy stands for a layer that looks at another one's keys and keeps none.
    if others := kinds - {DynamicLayer, DynamicSlidingWindowLayer, DummyLayer}:
        names = ", ".join(sorted(kind.__name__ for kind in others))
        raise DecoderError(
            f"{type(model).__name__} has layers that can't go back in a conversation ({names}): choose a model of "
            "attention layers only, or serve this one and use the backend openai"
        )
