"""One token through a Qwen2 decoder, captured once as a CUDA graph and replayed, so that no kernel waits for Python."""

import torch
from torch.nn import functional
from transformers import DynamicCache, Qwen2ForCausalLM
from transformers.cache_utils import DynamicLayer
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer, apply_rotary_pos_emb


class GraphedStep:
    """A decoder step with preallocated keys and values for `capacity` tokens. On a CPU it runs without a graph."""

    def __init__(self, model: Qwen2ForCausalLM, capacity: int) -> None:
        config, device = model.config, model.device
        self._model = model
        self._heads = config.num_key_value_heads or config.num_attention_heads
        shape = (1, self._heads, capacity, config.hidden_size // config.num_attention_heads)
        self._keys, self._values = (
            [torch.zeros(shape, dtype=model.dtype, device=device) for _ in model.model.layers] for _ in range(2)
        )
        self._places = torch.arange(capacity, device=device)
        self._token = torch.zeros(1, 1, dtype=torch.long, device=device)
        self._position = torch.zeros(1, dtype=torch.long, device=device)
        self._graph = self._recorded() if device.type == "cuda" else None

    @torch.inference_mode()
    def take(self, cache: DynamicCache) -> None:
        """Continue from the contents of `cache`."""
        length = cache.get_seq_length()
        for layer, keys, values in zip(cache.layers, self._keys, self._values, strict=True):
            assert isinstance(layer, DynamicLayer)
            assert layer.keys is not None
            assert layer.values is not None
            keys[:, :, :length] = layer.keys
            values[:, :, :length] = layer.values
        self._position.fill_(length)

    @torch.inference_mode()
    def step(self, token: int) -> torch.Tensor:
        """Logits of the next token after `token`, shape (vocabulary,); overwritten by the next step."""
        self._token.fill_(token)
        if self._graph is None:
            self._logits = self._forward()
        else:
            self._graph.replay()
        self._position += 1
        return self._logits

    @torch.inference_mode()
    def _recorded(self) -> torch.cuda.CUDAGraph:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # what libraries set up at their first use cannot be captured
            for _ in range(3):
                self._forward()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._logits = self._forward()
        return graph

    def _forward(self) -> torch.Tensor:
        """The forward pass of Qwen2ForCausalLM for one token."""
        body = self._model.model
        hidden = body.embed_tokens(self._token)
        rotation = body.rotary_emb(hidden, self._position[None])
        seen = (self._places <= self._position)[None, None, None]
        for number, layer in enumerate(body.layers):
            assert isinstance(layer, Qwen2DecoderLayer)
            hidden = hidden + self._attended(number, layer, layer.input_layernorm(hidden), rotation, seen)
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        logits: torch.Tensor = self._model.lm_head(body.norm(hidden))[0, -1].float()
        return logits

    def _attended(
        self,
        number: int,
        layer: Qwen2DecoderLayer,
        hidden: torch.Tensor,
        rotation: tuple[torch.Tensor, torch.Tensor],
        seen: torch.Tensor,
    ) -> torch.Tensor:
        attention, keys, values = layer.self_attn, self._keys[number], self._values[number]
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        query, key, value = (project(hidden).view(1, 1, -1, keys.shape[3]).transpose(1, 2) for project in projections)
        query, key = apply_rotary_pos_emb(query, key, *rotation)
        keys.index_copy_(2, self._position, key)
        values.index_copy_(2, self._position, value)
        # Queries that share a key are in its row, as if they were several tokens, so that nothing has to be repeated.
        rows = query.view(1, self._heads, -1, keys.shape[3])
        found = functional.scaled_dot_product_attention(rows, keys, values, attn_mask=seen)
        output: torch.Tensor = attention.o_proj(found.reshape(1, 1, -1))
        return output
