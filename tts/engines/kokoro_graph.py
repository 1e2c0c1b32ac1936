"""Kokoro's ONNX graph in two halves: prosody and latents for the whole clause, then audio window by window.

The vocoder (iSTFTNet, arXiv 2203.02395, with adaptive instance norms) normalizes its layers by their means and
deviations over the whole clause, so each sample depends on all others. Here these values are not measured on the clause
but predicted from its share of silence, by a line fitted for each voice to clauses that were rendered whole. The rest
is convolution, so windows of it give the same audio as the whole clause.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper
from onnxruntime import RunOptions

from audio.pcm import Pcm
from tts.engines.vits import extract, open_session

HOP = 300
"""Samples in one frame of the latents."""
REACH = 9
"""Frames on either side that a sample depends on; frames farther away change it by less than -90 dBFS."""

_LATENTS = "/decoder/decoder/decode.3/Div_4_output_0"
_HARMONICS = "/decoder/decoder/generator/Concat_3_output_0"
_DURATIONS = "/encoder/Clip_output_0"
_HARMONICS_A_FRAME = 60
_FRAMES_A_DURATION = 2
_LEAST_DEVIATION = np.float32(1e-3)

Floats = NDArray[np.float32]


class UnknownGraph(ValueError):
    """The file is not the export of Kokoro that this module can cut; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class KokoroLatents:
    """Everything the vocoder needs to render one clause."""

    values: Floats
    """Latents, [1, 512, frames]."""
    harmonics: Floats
    """Source signal of the voiced sounds, [1, 22, 60 * frames + 1]."""
    style: Floats
    """Style of the voice for a clause of this length, [1, 256]."""
    bounds: NDArray[np.int64]
    """First sample of each token, followed by the end of the audio. Shape (tokens + 1,)."""

    @property
    def frames(self) -> int:
        return int(self.values.shape[2])


Layers = list[tuple[Floats, Floats]]
"""Mean and deviation of each layer, both [1, channels, 1]."""


@dataclass(frozen=True, slots=True)
class Norms:
    """Means and deviations of one voice for the layers of the vocoder, as linear functions of the share of silence."""

    lines: tuple[Floats, ...]
    """For each layer [2, 2, channels]: mean and deviation; each as the value without silence and the slope."""

    @classmethod
    def fitted(cls, silences: Sequence[float], clauses: Sequence[Layers]) -> "Norms":
        """Least-squares fit to `clauses`: the layers measured on clauses whose shares of silence are `silences`."""
        solve = np.linalg.pinv(np.stack([np.ones(len(silences)), silences], axis=1))
        measured = (np.stack([np.stack(norm)[:, 0, :, 0] for norm in layer]) for layer in zip(*clauses, strict=True))
        return cls(tuple(np.einsum("pc,cnk->npk", solve, layer).astype(np.float32) for layer in measured))

    def at(self, silence: float) -> Layers:
        """The layers' means and deviations for a clause whose share of silence is `silence`, from 0 to 1."""
        layers = []
        for line in self.lines:
            mean, deviation = line[:, :1] + np.float32(silence) * line[:, 1:]
            layers.append((mean[:, :, None], np.maximum(deviation, _LEAST_DEVIATION)[:, :, None]))
        return layers


def load_norms(path: Path) -> dict[str, Norms]:
    """Read the norms of each voice from a file written by `save_norms`."""
    with np.load(path) as stored:
        ends = np.cumsum(stored["channels"])[:-1]
        voices = {name: stored[name].astype(np.float32) for name in stored.files if name != "channels"}
    return {name: Norms(tuple(np.split(lines, ends, axis=2))) for name, lines in voices.items()}


def save_norms(path: Path, voices: Mapping[str, Norms]) -> None:
    """Write the norms of each voice in 16-bit floats, whose rounding error is below the error of the fit."""
    channels = [line.shape[2] for line in next(iter(voices.values())).lines]
    flat = {name: np.concatenate(norms.lines, axis=2).astype(np.float16) for name, norms in voices.items()}
    np.savez_compressed(path, allow_pickle=False, channels=np.array(channels), **flat)


class KokoroGraph:
    """Kokoro's graph cut in two, shared by all conversations. Its methods are thread-safe."""

    def __init__(self, model: Path, threads: int) -> None:
        """Load and cut `model`; each half runs on `threads` threads. Raises `UnknownGraph`."""
        whole = _load(model)
        front = extract(whole, ["tokens", "style", "speed"], [_LATENTS, _HARMONICS, _DURATIONS])
        back = _vocoder(whole)
        del whole
        self._model = model
        self._threads = threads
        self._norms = find_norms(back.graph)
        given = [name for layer in self._norms for name in layer]
        back = extract(back, [_LATENTS, _HARMONICS, "style", *given], ["audio"])
        self._front = open_session(front.SerializeToString(), threads)
        self._back = open_session(back.SerializeToString(), threads)

    def latents(
        self, tokens: Sequence[int], style: Floats, speed: float, run: RunOptions | None = None
    ) -> KokoroLatents:
        """Run everything before the vocoder for a clause of `tokens`. `style`: [1, 256]; `speed` 2 is twice as fast."""
        feed = {
            "tokens": np.array([tokens], dtype=np.int64),
            "style": style,
            "speed": np.array([speed], dtype=np.float32),
        }
        values, harmonics, durations = self._front.run([_LATENTS, _HARMONICS, _DURATIONS], feed, run)
        ends = np.cumsum(durations.ravel()).astype(np.int64) * (_FRAMES_A_DURATION * HOP)
        return KokoroLatents(values, harmonics, style, np.concatenate([[0], ends]))

    def decode(
        self, latents: KokoroLatents, layers: Layers, start: int, end: int, run: RunOptions | None = None
    ) -> Pcm:
        """Render the frames from `start` to `end`, normalized by `layers`, to `HOP` samples each.

        `REACH` more frames on either side are decoded and their audio discarded.
        """
        first = max(0, start - REACH)
        feed = _window(latents, first, end + REACH)
        for names, values in zip(self._norms, layers, strict=True):
            feed |= zip(names, values, strict=True)
        (audio,) = self._back.run(None, feed, run)
        pcm: Pcm = audio[(start - first) * HOP : (end - first) * HOP]
        return pcm

    def rendered(self, clauses: Iterable[KokoroLatents]) -> Iterator[tuple[Pcm, Layers]]:
        """Render each clause with the uncut vocoder; return its audio and the layers measured on it."""
        given = [name for layer in self._norms for name in layer]
        vocoder = extract(_vocoder(_load(self._model)), [_LATENTS, _HARMONICS, "style"], ["audio", *given])
        uncut = open_session(vocoder.SerializeToString(), self._threads)
        for latents in clauses:
            audio, *measured = uncut.run(["audio", *given], _window(latents, 0, latents.frames))
            yield audio, list(zip(measured[::2], measured[1::2], strict=True))


def find_norms(graph: GraphProto) -> list[tuple[str, str]]:
    """Names of the tensors with the mean and deviation of each instance norm.

    A norm is recognized by its shape: (x - mean) / sqrt(mean((x - mean)**2) + epsilon).
    """
    producers = {name: node for node in graph.node for name in node.output}

    def source(node: NodeProto, position: int, kind: str) -> NodeProto | None:
        found = producers.get(node.input[position])
        return found if found is not None and found.op_type == kind else None

    norms = []
    for root in graph.node:
        node: NodeProto | None = root if root.op_type == "Sqrt" else None
        for kind in ("Add", "ReduceMean", "Mul", "Sub"):
            node = source(node, 0, kind) if node is not None else None
        mean = source(node, 1, "ReduceMean") if node is not None else None
        if mean is not None:
            norms.append((mean.output[0], root.output[0]))
    return norms


def dequantized(model: ModelProto) -> ModelProto:
    """The same graph with 32-bit convolutions and matrix products, its 8-bit weights converted back.

    The 8-bit operators scale by the largest value of their input, which differs from window to window.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    producers = {name: node for node in model.graph.node for name in node.output}
    consumers = {name: node for node in model.graph.node for name in node.input}
    floats: dict[str, onnx.TensorProto] = {}
    replaced: dict[str, NodeProto] = {}
    for node in model.graph.node:
        if node.op_type not in ("ConvInteger", "MatMulInteger"):
            continue
        inputs = [producers[node.input[0]].input[0], f"{node.input[1]} 32-bit"]
        after = consumers[node.output[0]]
        if after.op_type == "Add":
            # The bias is quantized as well: Div, Floor, Cast, Reshape.
            bias = producers[after.input[1]]
            while bias.op_type != "Div":
                bias = producers[bias.input[0]]
            inputs.append(bias.input[0])
            after = consumers[after.output[0]]
        product = consumers[after.output[0]]
        scales = producers[product.input[1]]
        arrays = [numpy_helper.to_array(weights[name]) for name in (node.input[1], node.input[3], scales.input[1])]
        floats[inputs[1]] = numpy_helper.from_array(_scaled(node.op_type, *arrays), inputs[1])
        kind = node.op_type.removesuffix("Integer")
        replaced[product.output[0]] = helper.make_node(kind, inputs, [product.output[0]])
        replaced[product.output[0]].attribute.extend(node.attribute)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:]
    changed.graph.node.extend(replaced.get(node.output[0], node) for node in model.graph.node)
    changed.graph.initializer.extend(floats.values())
    outputs = [value.name for value in model.graph.output]
    return extract(changed, [value.name for value in model.graph.input], outputs)


def _scaled(kind: str, values: NDArray[np.generic], zero: NDArray[np.generic], scale: NDArray[np.generic]) -> Floats:
    """8-bit weights, quantized as a whole or per output channel, as 32-bit floats."""
    channels = (-1, *[1] * (values.ndim - 1)) if kind == "ConvInteger" else (1, -1)
    zero, scale = (array.reshape(channels) if array.size > 1 else array for array in (zero, scale))
    floats: Floats = (values.astype(np.float32) - zero.astype(np.float32)) * scale.astype(np.float32)
    return floats.reshape(values.shape)


def _load(model: Path) -> ModelProto:
    whole = onnx.load(str(model))
    made = {name for node in whole.graph.node for name in node.output}
    if missing := {_LATENTS, _HARMONICS, _DURATIONS} - made:
        raise UnknownGraph(f"{model.name} has no tensor {', '.join(sorted(missing))}: it is another export of Kokoro")
    return whole


def _vocoder(whole: ModelProto) -> ModelProto:
    return dequantized(extract(whole, [_LATENTS, _HARMONICS, "style"], ["audio"]))


def _window(latents: KokoroLatents, first: int, last: int) -> dict[str, Floats]:
    harmonics = latents.harmonics[:, :, first * _HARMONICS_A_FRAME : last * _HARMONICS_A_FRAME + 1]
    return {_LATENTS: latents.values[:, :, first:last], _HARMONICS: harmonics, "style": latents.style}
