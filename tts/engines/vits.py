"""A VITS graph in plain onnxruntime, cut in two if possible: latents of the whole clause, then audio by windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnxruntime import RunOptions

from audio.pcm import Pcm
from tts.engines.onnx_session import cpu_session
from tts.engines.speech_stream import Stopped

POINTWISE = {"Add", "Div", "Mul", "LeakyRelu", "Relu", "Tanh", "Sigmoid", "Squeeze", "Unsqueeze", "Identity"}
"""Operators that do not mix samples of different times (with a constant, or as the sum of two branches)."""


class NoCut(ValueError):
    """The graph has no place where it can be cut; the message says where the search ended."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The place in a graph where latents [1, channels, frames] enter its final, purely convolutional part."""

    latents: str
    hop: int
    """Samples in one frame."""
    reach: int
    """Frames on either side that a sample depends on."""


@dataclass(frozen=True, slots=True)
class Latents:
    """Latents of one clause, from which `VitsGraph.decode` renders the audio."""

    values: NDArray[np.float32]
    """Shape [1, channels, frames]; the finished audio if the graph has no cut."""
    frames: int
    bounds: NDArray[np.int64]
    """First sample of each phoneme id, followed by the end of the audio. Shape (ids + 1,)."""


class VitsGraph:
    """A VITS graph, shared by all conversations. Its methods are thread-safe.

    If the graph cannot be cut, `latents` runs all of it. If it does not output durations, `bounds` gives each phoneme
    id the same share of the audio.
    """

    def __init__(self, model: Path, threads: int) -> None:
        whole = onnx.load(str(model))
        inputs = [value.name for value in whole.graph.input]
        audio = whole.graph.output[0].name
        durations = find_durations(whole.graph)
        self.no_cut = ""
        """Why the audio is rendered clause by clause; empty if it is rendered window by window."""
        try:
            cut = find_cut(whole.graph)
        except NoCut as error:
            cut = Cut(audio, hop=256, reach=0)
            self.no_cut = str(error)
        self.hop = cut.hop
        self.reach = cut.reach
        self._latents = cut.latents
        self._outputs = [cut.latents, durations] if durations else [cut.latents]
        self._speaker_input = "sid" in inputs
        front = extract(whole, inputs, self._outputs).SerializeToString()
        back = b"" if self.no_cut else extract(whole, [cut.latents], [audio]).SerializeToString()
        # The weights are in memory three times here, and the sessions add a fourth copy.
        del whole
        self._front = open_session(front, threads)
        self._back = open_session(back, threads) if back else None

    def latents(
        self, ids: Sequence[int], noise: float, length: float, noise_w: float, run: RunOptions | None = None
    ) -> Latents:
        """Run everything before the final convolutions for one clause of phoneme `ids`.

        `noise`, `length` and `noise_w` are VITS's inference scales: variation of the sound, duration (2 is half the
        speed) and variation of the durations.
        """
        feed: dict[str, NDArray[np.generic]] = {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": np.array([noise, length, noise_w], dtype=np.float32),
        }
        if self._speaker_input:
            feed["sid"] = np.zeros(1, dtype=np.int64)
        values, *durations = self._front.run(self._outputs, feed, run)
        samples = values.shape[2] * self.hop if self._back else values.size
        ends = np.cumsum(durations[0].ravel() if durations else np.ones(len(ids)))
        bounds = np.concatenate([[0.0], ends * (samples / ends[-1])])
        return Latents(values, ceil(samples / self.hop), np.rint(bounds).astype(np.int64))

    def decode(self, latents: Latents, start: int, end: int, run: RunOptions | None = None) -> Pcm:
        """Audio of the frames from `start` to `end`, identical to what decoding all frames at once would give.

        `reach` more frames on either side are decoded and their audio discarded.
        """
        pcm: Pcm
        if self._back is None:
            pcm = latents.values.ravel()[start * self.hop : end * self.hop]
            return pcm
        first = max(0, start - self.reach)
        (audio,) = self._back.run(None, {self._latents: latents.values[:, :, first : end + self.reach]}, run)
        pcm = audio.ravel()[(start - first) * self.hop : (end - first) * self.hop]
        return pcm


def find_durations(graph: GraphProto) -> str | None:
    """Name of the tensor with the frames of each phoneme id: the one that is rounded up, then summed into positions."""
    summed = {node.input[0] for node in graph.node if node.op_type == "CumSum"}
    names = [node.output[0] for node in graph.node if node.op_type == "Ceil" and node.output[0] in summed]
    return names[0] if len(names) == 1 else None


def find_cut(graph: GraphProto) -> Cut:
    """Walk back from the audio through the convolutions to the one tensor, the latents, that they all depend on.

    Raises `NoCut` if there is no such tensor.
    """
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    producers = {name: node for node in graph.node for name in node.output}
    audio = graph.output[0].name
    # How far each tensor reaches to the left and right of an audio sample, in its own samples.
    reach: dict[str, tuple[int, int]] = {audio: (0, 0)}
    roots: set[str] = set()
    strides: list[int] = []
    for node in reversed(graph.node):
        if node.op_type == "Constant" or node.output[0] not in reach:
            continue
        moving = [name for name in node.input if name and name not in constants]
        if not _is_local(node, moving):
            roots.add(node.output[0])
            continue
        if node.op_type == "ConvTranspose":
            strides.append(_attribute(node, "strides", 1))
        left, right = _reach(node, *reach[node.output[0]])
        for name in moving:
            so_far = reach.get(name, (0, 0))
            reach[name] = (max(left, so_far[0]), max(right, so_far[1]))
            if name not in producers:
                roots.add(name)
    if len(roots) != 1 or not strides:
        found = ", ".join(sorted(roots)) or "nothing"
        raise NoCut(f"the convolutions that make the audio depend on {found}, not on one tensor of latents")
    (latents,) = roots
    return Cut(latents, prod(strides), max(reach[latents]))


def extract(model: ModelProto, inputs: list[str], outputs: list[str]) -> ModelProto:
    """The part of the graph between the tensors `inputs` and `outputs`, as a model of its own."""
    needed = set(outputs)
    nodes: list[NodeProto] = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output) and not set(node.output) <= set(inputs):
            nodes.insert(0, node)
            needed.update(node.input)
    declared = {value.name: value for value in (*model.graph.input, *model.graph.output)}
    graph = helper.make_graph(
        nodes,
        model.graph.name,
        [declared.get(name) or helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs],
        [declared.get(name) or helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [tensor for tensor in model.graph.initializer if tensor.name in needed],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _is_local(node: NodeProto, moving: list[str]) -> bool:
    """Whether a sample of the output depends only on a few samples around it."""
    if node.op_type in ("Conv", "ConvTranspose"):
        return len(moving) == 1 and (node.op_type == "ConvTranspose" or _attribute(node, "strides", 1) == 1)
    return node.op_type in POINTWISE and (len(moving) == 1 or node.op_type == "Add")


def _reach(node: NodeProto, left: int, right: int) -> tuple[int, int]:
    """How far the node's input reaches, given that its output reaches `left` and `right` samples."""
    if node.op_type not in ("Conv", "ConvTranspose"):
        return left, right
    span = _attribute(node, "dilations", 1) * (_attribute(node, "kernel_shape", 1) - 1)
    pad = _attribute(node, "pads", 0)
    if node.op_type == "Conv":
        return left + pad, right + span - pad
    stride = _attribute(node, "strides", 1)
    return -((pad - left - span) // stride), (right + pad + stride - 1) // stride


def _attribute(node: NodeProto, name: str, default: int) -> int:
    return next((attribute.ints[0] for attribute in node.attribute if attribute.name == name), default)


def open_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Open the serialized `model` on `threads` CPU threads, set up for low memory and no busy waiting."""
    options = onnxruntime.SessionOptions()
    # More fusion doubles the loading time and gains no speed. An arena would keep the longest clause's buffers.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return cpu_session(model, threads, options)


def run_until(stopped: Stopped) -> RunOptions:
    """Options for a session's `run`, which then aborts with an error within milliseconds once `stopped` is done."""
    run = RunOptions()
    stopped.add_done_callback(lambda _: setattr(run, "terminate", True))
    return run
