"""Whisper's text decoder as two ONNX graphs, built from the weights of a CTranslate2 model.

CTranslate2 writes a forced prefix token by token. In these graphs any number of tokens takes one pass.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from pipeline.encoders.whisper.weights_file import WeightsFile

_Attribute = int | float | Sequence[int]

_OPSET, _IR_VERSION = 20, 10
_BLOCK = 32
"""Neighbouring weights, and activations, that share a scale. With one scale for all activations of a pass, as in
DynamicQuantizeMatMul, a loud frame takes the precision of the soft ones: "Lisa" became "Lacer"."""
_INT8_ACTIVATIONS = 4
_MICROSOFT = "com.microsoft"
"""Domain of onnxruntime's own operators."""


def crossing_graph(weights: WeightsFile, quantized: bool) -> bytes:
    """The keys and values of the audio, which every token attends to.

    `audio` [outputs, width], the encoder's output, gives, for each layer n, `keys_n` [heads, head, outputs] and
    `values_n` [heads, outputs, head]. `quantized`: int8 arithmetic instead of float32.
    """
    graph, shape = _Graph(quantized), DecoderShape(weights)
    for layer in range(shape.layers):
        both = graph.linear("audio", weights, f"decoder/layer_{layer}/attention/linear_1")
        key, value = graph.ops("Split", both, count=2, axis=1, num_outputs=2)
        graph.name(f"keys_{layer}", graph.op("Transpose", graph.heads(key, shape), perm=[0, 2, 1]))
        graph.name(f"values_{layer}", graph.heads(value, shape))
    return graph.serialized({"audio": (TensorProto.FLOAT, ["outputs", shape.width])}, crossing_names(shape))


def crossing_names(shape: "DecoderShape") -> list[str]:
    """The outputs of `crossing_graph`, in order."""
    return [f"{part}_{layer}" for layer in range(shape.layers) for part in ("keys", "values")]


def tokens_graph(weights: WeightsFile, quantized: bool) -> bytes:
    """A pass over tokens.

    Takes `tokens` [new, width] (embeddings with their positions), `mask` [new, past + new] (added to the scores of the
    attention), `past` [layers, 2, heads, past, head] (keys and values of earlier tokens), the outputs of
    `crossing_graph`, and `rows` [asked]: the tokens after which the next one is asked for. Gives `logits` [asked,
    vocabulary] and `present`, which is the next pass's `past`.
    """
    graph, shape = _Graph(quantized), DecoderShape(weights)
    present = []
    x = "tokens"
    for layer in range(shape.layers):
        at = f"decoder/layer_{layer}"
        normal = graph.normalized(x, weights, f"{at}/self_attention/layer_norm")
        new = graph.linear(normal, weights, f"{at}/self_attention/linear_0")
        parts = graph.ops("Split", new, count=3, axis=1, num_outputs=3)
        query, key, value = (graph.heads(part, shape) for part in parts)
        past = graph.op("Gather", "past", graph.number(layer), axis=0)
        key = graph.op("Concat", graph.op("Gather", past, graph.number(0), axis=0), key, axis=1)
        value = graph.op("Concat", graph.op("Gather", past, graph.number(1), axis=0), value, axis=1)
        kept = graph.op("Concat", *(graph.op("Unsqueeze", part, graph.ints(0)) for part in (key, value)), axis=0)
        present.append(graph.op("Unsqueeze", kept, graph.ints(0)))
        seen = graph.attention(query, graph.op("Transpose", key, perm=[0, 2, 1]), value, shape, mask="mask")
        x = graph.op("Add", x, graph.linear(seen, weights, f"{at}/self_attention/linear_1"))
        normal = graph.normalized(x, weights, f"{at}/attention/layer_norm")
        query = graph.heads(graph.linear(normal, weights, f"{at}/attention/linear_0"), shape)
        heard = graph.attention(query, f"keys_{layer}", f"values_{layer}", shape)
        x = graph.op("Add", x, graph.linear(heard, weights, f"{at}/attention/linear_2"))
        normal = graph.normalized(x, weights, f"{at}/ffn/layer_norm")
        inner = graph.op("Gelu", graph.linear(normal, weights, f"{at}/ffn/linear_0"))
        x = graph.op("Add", x, graph.linear(inner, weights, f"{at}/ffn/linear_1"))
    graph.name("present", graph.op("Concat", *present, axis=0))
    asked = graph.op("Gather", graph.normalized(x, weights, "decoder/layer_norm"), "rows", axis=0)
    graph.name("logits", graph.product(asked, weights.floats("decoder/embeddings/weight"), None))
    inputs: dict[str, tuple[int, Sequence[int | str | None]]] = {
        "tokens": (TensorProto.FLOAT, ["new", shape.width]),
        "mask": (TensorProto.FLOAT, ["new", "all"]),
        "past": (TensorProto.FLOAT, [shape.layers, 2, shape.heads, "past", shape.head]),
        **{name: (TensorProto.FLOAT, [shape.heads, None, None]) for name in crossing_names(shape)},
        "rows": (TensorProto.INT64, ["asked"]),
    }
    return graph.serialized(inputs, ["logits", "present"])


class DecoderShape:
    """Sizes of a text decoder: `layers`, `heads` of each, and the `width` of a token, of which each has `head`."""

    def __init__(self, weights: WeightsFile) -> None:
        self.layers = sum(name.endswith("/attention/linear_1/weight") for name in weights.variables)
        self.heads = weights.number("decoder/num_heads")
        self.vocabulary, self.width = weights.variables["decoder/embeddings/weight"].shape
        self.head = self.width // self.heads
        self.parameters = sum(
            values.size
            for name, values in weights.variables.items()
            if name.startswith("decoder/") and name.endswith("/weight")
        )


class _Graph:
    """A graph that is written operator by operator; values are known by their names."""

    def __init__(self, quantized: bool) -> None:
        self._quantized = quantized
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: _Attribute) -> str:
        (output,) = self.ops(kind, *inputs, count=1, domain=domain, **attributes)
        return output

    def ops(self, kind: str, *inputs: str, count: int, domain: str = "", **attributes: _Attribute) -> list[str]:
        outputs = [f"{kind}_{len(self._nodes)}_{n}" for n in range(count)]
        node = helper.make_node(kind, list(inputs), outputs, domain=domain)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self._nodes.append(node)
        return outputs

    def name(self, name: str, value: str) -> None:
        self._nodes.append(helper.make_node("Identity", [value], [name]))

    def constant(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def number(self, value: int) -> str:
        return self.constant(np.array(value, np.int64))

    def linear(self, x: str, weights: WeightsFile, name: str) -> str:
        return self.product(x, weights.floats(f"{name}/weight"), weights.floats(f"{name}/bias"))

    def product(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None) -> str:
        """`x` times `weight` [outputs, inputs], plus `bias`."""
        added = [] if bias is None else [self.constant(bias)]
        if not self._quantized:
            product = self.op("MatMul", x, self.constant(weight.T))
            return self.op("Add", product, *added) if added else product
        outputs, inputs = weight.shape
        blocks = weight.reshape(outputs, inputs // _BLOCK, _BLOCK)
        scales = np.maximum(np.abs(blocks).max(axis=2), 1e-8) / 127
        rounded = (np.rint(blocks / scales[..., None]) + 128).astype(np.uint8)
        sizes = {"K": inputs, "N": outputs, "bits": 8, "block_size": _BLOCK, "accuracy_level": _INT8_ACTIVATIONS}
        parts = map(self.constant, (rounded, scales.astype(np.float32)))
        product = self.op("MatMulNBits", x, *parts, domain=_MICROSOFT, **sizes)
        return self.op("Add", product, *added) if added else product

    def normalized(self, x: str, weights: WeightsFile, name: str) -> str:
        scale, shift = (self.constant(weights.floats(f"{name}/{part}")) for part in ("gamma", "beta"))
        return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-5)

    def heads(self, x: str, shape: DecoderShape) -> str:
        """`x` [tokens, width] as [heads, tokens, head]."""
        return self.op("Transpose", self.op("Reshape", x, self.ints(-1, shape.heads, shape.head)), perm=[1, 0, 2])

    def attention(self, query: str, key: str, value: str, shape: DecoderShape, mask: str = "") -> str:
        scores = self.op("Mul", self.op("MatMul", query, key), self.constant(np.array(shape.head**-0.5, np.float32)))
        if mask:
            scores = self.op("Add", scores, mask)
        seen = self.op("MatMul", self.op("Softmax", scores, axis=-1), value)
        return self.op("Reshape", self.op("Transpose", seen, perm=[1, 0, 2]), self.ints(-1, shape.width))

    def serialized(self, inputs: dict[str, tuple[int, Sequence[int | str | None]]], outputs: Sequence[str]) -> bytes:
        graph = helper.make_graph(
            self._nodes,
            "decoder",
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self._constants,
        )
        imports = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=_IR_VERSION)
        return bytes(model.SerializeToString())
