"""One conversation's KV cache in a transformers model. Its methods block: they belong on the model's thread."""

import inspect
import math
from collections.abc import Iterator, Sequence
from itertools import takewhile

import torch
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DummyLayer, DynamicLayer, DynamicSlidingWindowLayer

from pipeline.decoders.decoder import DecoderError
from pipeline.encoders.audio_units import Embeddings
from pipeline.encoders.kv_cache import BatchedCache, fork

Atom = int | tuple[Embeddings, int]
"""What takes one position in a context: a token, or one vector of embeddings."""

CHUNK = 256
"""Atoms that are read at once. Between two chunks other conversations get their turn, and reading can be cancelled."""


class KvReader:
    """What a model has read of one conversation, with its KV cache.

    Sliding-window layers keep everything, too, and mask what is too far back: the context could not be rewound to what
    has left a window. After an error of the model the cache is empty.
    """

    def __init__(self, model: PreTrainedModel, cache: DynamicCache | None = None, held: Sequence[Atom] = ()) -> None:
        """`cache`: keys and values of the atoms in `held`."""
        self._model = model
        self.cache = DynamicCache() if cache is None else cache
        """Keys and values of what was read."""
        self._held = list(held)
        """The atoms whose keys and values the cache holds."""
        self._extra = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}

    def __len__(self) -> int:
        return len(self._held)

    def keep(self, prompt: Sequence[Atom]) -> int:
        """Rewind to where `prompt` differs from what was read, at most to its last atom. Returns that index.

        At least the last atom must be read again, because its logits are not kept.
        """
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._held, prompt, strict=False)))
        same = min(same, len(prompt) - 1)
        if same < len(self._held):
            self.cache.crop(same - len(self._held))
            del self._held[same:]
        return same

    @torch.inference_mode()
    def read(self, atoms: Sequence[Atom]) -> torch.Tensor:
        """Read `atoms`, one piece of `chunks`. Returns the logits of the next token, float32, shape (vocabulary,)."""
        positions = torch.arange(len(self), len(self) + len(atoms), device=self._model.device)[None]
        logits = _pass([self], self.cache, position_ids=positions, **self._inputs(atoms))
        self._held += atoms
        return logits[0]

    def fork(self) -> "KvReader":
        """An independent reader that has read the same, at no cost."""
        return KvReader(self._model, fork(self.cache), self._held)

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
def read_each(readers: Sequence[KvReader], tokens: Sequence[int]) -> torch.Tensor:
    """Read one token into each of several readers of a model, in one pass. Logits, shape (readers, vocabulary)."""
    if len(readers) == 1:
        return readers[0].read(tokens)[None]
    device = readers[0]._model.device
    rows = BatchedCache([reader.cache for reader in readers])
    logits = _pass(
        readers,
        rows,
        input_ids=torch.tensor(tokens, device=device)[:, None],
        position_ids=torch.tensor([[len(reader)] for reader in readers], device=device),
        attention_mask=rows.attention_mask().to(device),
    )
    for reader, token in zip(readers, tokens, strict=True):
        reader._held.append(token)
    return logits


def chunks(prompt: Sequence[Atom], at: int) -> Iterator[Sequence[Atom]]:
    """The prompt from `at` on in pieces of at most `CHUNK` atoms, each tokens or embeddings: a pass takes one kind."""
    while at < len(prompt):
        kind = isinstance(prompt[at], int)
        end = at + 1
        while end < len(prompt) and end - at < CHUNK and isinstance(prompt[end], int) == kind:
            end += 1
        yield prompt[at:end]
        at = end


def check_rewindable(model: PreTrainedModel) -> None:
    """Raises `DecoderError` for a model with layers whose state can't be rewound."""
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    # A dummy stands for a layer that uses another one's keys and keeps none.
    if others := kinds - {DynamicLayer, DynamicSlidingWindowLayer, DummyLayer}:
        names = ", ".join(sorted(kind.__name__ for kind in others))
        raise DecoderError(
            f"{type(model).__name__} has layers that can't be rewound ({names}): choose a model of "
            "attention layers only, or serve this one and use the backend openai"
        )


def check_exact(model: PreTrainedModel, capacity: int) -> None:
    """Raises `DecoderError` for a model whose keys of all tokens change within a context of `capacity` tokens.

    Keys in the cache stay as they were computed, and one of the conversations of a batch may be that long.
    """
    config = model.config.get_text_config()
    ropes = getattr(config, "rope_parameters", None) or {}
    for rope in (ropes, *(rope for rope in ropes.values() if isinstance(rope, dict))):  # for all layers, or each kind
        if (kind := rope.get("rope_type")) in ("dynamic", "longrope"):
            exact = min(config.max_position_embeddings, rope.get("original_max_position_embeddings") or math.inf)
            if capacity > exact:
                raise DecoderError(
                    f"{type(model).__name__} (rope_type {kind}) changes the keys of all tokens once there are more "
                    f"than {exact}: set decoder.context_tokens to at most {exact}"
                )


def _pass(readers: Sequence[KvReader], cache: Cache, **inputs: torch.Tensor) -> torch.Tensor:
    """One pass through the model. Logits of each row's next token, float32, shape (readers, vocabulary).

    `position_ids` must be given, because some models keep an offset from the last conversation they saw.
    """
    model, extra = readers[0]._model, readers[0]._extra
    try:
        output = model(**inputs, past_key_values=cache, use_cache=True, **extra)
        logits: torch.Tensor = output.logits[:, -1].float()
    except Exception:
        for reader in readers:
            reader._forget()  # some layers have read it, and others not
        raise
    return logits
