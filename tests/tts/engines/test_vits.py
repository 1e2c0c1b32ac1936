"""Finds the place where the graph of a VITS voice can be cut."""

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tts.engines.vits import Cut, NoCut, extract, find_cut, find_durations

FLOAT = TensorProto.FLOAT


def model(*nodes: NodeProto) -> ModelProto:
    """A graph from x [1, 2, frames] to audio; w3 and up8 are kernels."""
    rng = np.random.default_rng(0)
    weights = {"w3": (2, 2, 3), "up8": (2, 2, 16)}
    graph = helper.make_graph(
        nodes,
        "voice",
        [helper.make_tensor_value_info("x", FLOAT, [1, 2, "frames"])],
        [helper.make_tensor_value_info("audio", FLOAT, [1, 2, "samples"])],
        [numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name) for name, shape in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def conv(source: str, to: str, dilation: int = 1) -> NodeProto:
    return helper.make_node(
        "Conv", [source, "w3"], [to], kernel_shape=[3], dilations=[dilation], pads=[dilation, dilation], strides=[1]
    )


def upsample(source: str, to: str) -> NodeProto:
    return helper.make_node("ConvTranspose", [source, "up8"], [to], kernel_shape=[16], pads=[4, 4], strides=[8])


def run(part: ModelProto, **feed: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feed)[0])


VOCODER = (
    conv("latents", "a"),
    upsample("a", "b"),
    helper.make_node("LeakyRelu", ["b"], ["c"]),
    conv("c", "d", dilation=5),
    helper.make_node("Add", ["d", "b"], ["e"]),
    helper.make_node("Tanh", ["e"], ["audio"]),
)


def test_the_cut_is_where_the_convolutions_begin() -> None:
    whole = model(helper.make_node("Softmax", ["x"], ["latents"], axis=2), *VOCODER)
    # 5 samples of the last convolution reach over 2 frames of the upsampling, and the first convolution over 1 more.
    assert find_cut(whole.graph) == Cut("latents", hop=8, reach=3)


def test_both_halves_together_are_the_whole() -> None:
    whole = model(helper.make_node("Softmax", ["x"], ["latents"], axis=2), *VOCODER)
    x = np.random.default_rng(1).normal(size=(1, 2, 20)).astype(np.float32)
    latents = run(extract(whole, ["x"], ["latents"]), x=x)
    assert np.array_equal(run(extract(whole, ["latents"], ["audio"]), latents=latents), run(whole, x=x))


def test_no_smaller_reach_would_do() -> None:
    whole = model(helper.make_node("Softmax", ["x"], ["latents"], axis=2), *VOCODER)
    back = extract(whole, ["latents"], ["audio"])
    latents = np.random.default_rng(1).normal(size=(1, 2, 40)).astype(np.float32)
    audio = run(back, latents=latents)[:, :, 160:168]
    difference = {
        n: np.abs(run(back, latents=latents[:, :, 20 - n : 21 + n])[:, :, 8 * n :][:, :, :8] - audio).max()
        for n in (2, 3)
    }
    assert difference[3] < 1e-5 < difference[2]


@pytest.mark.parametrize(
    "nodes",
    [
        # A mask multiplied in after the upsampling.
        (*VOCODER[:-1], helper.make_node("Mul", ["e", "x"], ["audio"])),
        # No upsampling at all.
        (conv("x", "audio"),),
    ],
)
def test_other_graphs_are_refused(nodes: tuple[NodeProto, ...]) -> None:
    with pytest.raises(NoCut, match="the convolutions that make the audio"):
        find_cut(model(helper.make_node("Softmax", ["x"], ["latents"], axis=2), *nodes).graph)


def test_durations_are_rounded_up_and_summed() -> None:
    durations = helper.make_node("Ceil", ["x"], ["frames"])
    summed = helper.make_node("CumSum", ["frames", "axis"], ["audio"])
    assert find_durations(model(durations, summed).graph) == "frames"
    assert find_durations(model(helper.make_node("Ceil", ["x"], ["audio"])).graph) is None
