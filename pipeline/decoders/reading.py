"""One conversation's KV cache in a transformers model: read on, go back, fork. Blocking: it belongs on a thread."""

import inspect
import math
from collections.abc import Iterator, Sequence
from itertools import takewhile

import torch
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DummyLayer, DynamicLayer, DynamicSlidingWindowLayer

from pipeline.decoders.decoder import DecoderError
from pipeline.embeddings import Embeddings
from pipeline.kv_cache import Rows, fork

Atom = int | tuple[Embeddings, int]
"""What takes one place in a context: a token, or one vector of a sound."""

CHUNK = 256
"""Atoms that are read at once. Between chunks, other conversations get their turn, and reading can be given up."""


class Reader:
    """What a model has read. Sliding-window layers keep all of it as well, their masks hide what is too far back: what
    has left a window could not be gone back to. Where the model fails, nothing has been read."""

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
        """Read on; at most as many as `chunks` gives. The logits of what may follow, float32, shape (vocabulary,)."""
        positions = torch.arange(len(self), len(self) + len(atoms), device=self._model.device)[None]
        logits = _pass([self], self.cache, position_ids=positions, **self._inputs(atoms))
        self._held += atoms
        return logits[0]

    def fork(self) -> "Reader":
        """One that has read the same and goes on by itself, at no cost."""
        twin = Reader(self._model)
        twin.cache = fork(self.cache)
        twin._held = list(self._held)
        return twin

    def _forget(self) -> None:
        self.cache = DynamicCache()
        self._held = []

    def _inputs(self, atoms: Sequence[Atom]) -> dict[str, torch.Tensor]:
        device = self._model.device
        if isinstance(atoms[0], int):
            return {"input_ids": torch.tensor([atoms], device=device)}
        vectors = [atom[0].vectors[atom[1]] for atom in atoms if not isinstance(atom, int)]
        return {"inputs_embeds": torch.stack(vectors)[None].to(device, self._model.dtype)}


@torch.inference_mode()
def read_each(readers: Sequence[Reader], tokens: Sequence[int]) -> torch.Tensor:
    """Each reader of one model reads a token, all in one pass. The logits as of `read`, shape (readers, vocabulary)."""
    if len(readers) == 1:
        return readers[0].read(tokens)[None]
    device = readers[0]._model.device
    rows = Rows([reader.cache for reader in readers])
    logits = _pass(
        readers,
        rows,
        input_ids=torch.tensor(tokens, device=device)[:, None],
        position_ids=torch.tensor([[len(reader)] for reader in readers], device=device),
        attention_mask=rows.seen().to(device),
    )
    for reader, token in zip(readers, tokens, strict=True):
        reader._held.append(token)
    return logits


def chunks(prompt: Sequence[Atom], at: int) -> Iterator[Sequence[Atom]]:
    """What is read from `at` on, piece by piece: tokens or sound, for a model takes one of them at a time."""
    while at < len(prompt):
        kind = isinstance(prompt[at], int)
        end = at + 1
        while end < len(prompt) and end - at < CHUNK and isinstance(prompt[end], int) == kind:
            end += 1
        yield prompt[at:end]
        at = end


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


def check_exact(model: PreTrainedModel, capacity: int) -> None:
    """Raises `DecoderError` for a model that makes other keys of all tokens before so large a context is full.

    Those in the cache stay as they were made, and of conversations that write together one may be that long.
    """
    config = model.config.get_text_config()
    ropes = getattr(config, "rope_parameters", None) or {}
    for rope in (ropes, *(rope for rope in ropes.values() if isinstance(rope, dict))):  # one, or one a kind of layer
        if (kind := rope.get("rope_type")) in ("dynamic", "longrope"):
            exact = min(config.max_position_embeddings, rope.get("original_max_position_embeddings") or math.inf)
            if capacity > exact:
                raise DecoderError(
                    f"{type(model).__name__} (rope_type {kind}) makes other keys of all tokens once there are more "
                    f"than {exact}, and the cache keeps the first: set decoder.context_tokens to at most {exact}"
                )


def _pass(readers: Sequence[Reader], cache: Cache, **inputs: torch.Tensor) -> torch.Tensor:
    """Once through the model. The logits of what follows each row, float32, shape (readers, vocabulary).

    `position_ids` must be given, for some models keep an offset from the last conversation they saw.
    """
    model, extra = readers[0]._model, readers[0]._extra
    try:
        output = model(**inputs, past_key_values=cache, use_cache=True, **extra)
        logits: torch.Tensor = output.logits[:, -1].float()
    except Exception:
        for reader in readers:
            reader._forget()  # some layers have read on, and others not
        raise
    return logits
