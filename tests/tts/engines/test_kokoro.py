"""Kokoro without its weights: symbols, accents, the search for norms, and the lines that predict them."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tts.engines.kokoro_graph import KokoroGraph, Norms, UnknownGraph, dequantized, find_norms, load_norms, save_norms
from tts.engines.kokoro_phonemes import PAUSES, TOKENS, accented, token_ids

FLOAT = TensorProto.FLOAT


@pytest.mark.parametrize(
    ("ipa", "american", "british"),
    [
        ("vˈɔɪs", "vˈYs", "vˈYs"),
        ("nˈoʊ", "nˈO", "nˈQ"),
        ("tʃˈeɪndʒ", "ʧˈAnʤ", "ʧˈAnʤ"),
        ("hˈɜːd", "hˈɜɹd", "hˈɜːd"),
        ("wˈɔːɾɚ", "wˈɔTəɹ", "wˈɔːtə"),
        ("fɑːɹ", "fɑɹ", "fɑː"),
        ("hˈɑːt", "hˈɑt", "hˈɒt"),
        ("vˈɛɹi", "vˈɛɹi", "vˈɛːɹi"),
        ("kˈæpɪɾəl", "kˈæpɪTᵊl", "kˈapɪtəl"),
        ("bˈʌʔn̩", "bˈʌʔn", "bˈʌtᵊn"),
        ("ɐbˌaʊt", "əbˌWt", "əbˌWt"),
        ("aɪ", "ˌI", "ˌI"),
        ("aɪm", "ˌIm", "ˌIm"),
        ("aɪdˈiə", "Idˈiə", "Idˈiə"),
        ("ˈaɪs", "ˈIs", "ˈIs"),
    ],
)
def test_accents(ipa: str, american: str, british: str) -> None:
    assert accented(ipa, british=False) == american
    assert accented(ipa, british=True) == british


def test_tokens_of_a_clause() -> None:
    ids, spans = token_ids(["hˈaɪ,", "", "juː"], "?", british=False)
    symbols = {token: symbol for symbol, token in TOKENS.items()}
    assert "".join(symbols.get(token, "_") for token in ids) == "_hˈI, ju?_"
    assert [ids[first:last] for first, last in spans] == [[50, 156, 25], [], [52, 63]]
    assert {0, 1, 2, 3, 4, 5, 6} == PAUSES


def test_unknown_symbols_are_left_out() -> None:
    assert token_ids(["ʘa"], "", british=False)[0] == [0, TOKENS["a"], 0]


def tensor(name: str, values: np.ndarray) -> TensorProto:
    return numpy_helper.from_array(values, name)


def model() -> ModelProto:
    """A quantized convolution with a bias, normalized over time."""
    rng = np.random.default_rng(0)
    bias = rng.normal(size=4).astype(np.float32)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["x8", "scale", "zero"]),
        helper.make_node("ConvInteger", ["x8", "w8", "zero", "w zero"], ["y32"], kernel_shape=[3], pads=[1, 1]),
        helper.make_node("Mul", ["scale", "w scale"], ["scales"]),
        helper.make_node("Div", ["bias", "scales"], ["bias scaled"]),
        helper.make_node("Floor", ["bias scaled"], ["bias floor"]),
        helper.make_node("Cast", ["bias floor"], ["bias32"], to=TensorProto.INT32),
        helper.make_node("Reshape", ["bias32", "shape"], ["bias row"]),
        helper.make_node("Add", ["y32", "bias row"], ["y biased"]),
        helper.make_node("Cast", ["y biased"], ["y float"], to=FLOAT),
        helper.make_node("Mul", ["y float", "scales"], ["y"]),
        helper.make_node("ReduceMean", ["y", "time"], ["mean"]),
        helper.make_node("Sub", ["y", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "centred"], ["squares"]),
        helper.make_node("ReduceMean", ["squares", "time"], ["variance"]),
        helper.make_node("Add", ["variance", "tiny"], ["above"]),
        helper.make_node("Sqrt", ["above"], ["deviation"]),
        helper.make_node("Div", ["centred", "deviation"], ["normal"]),
        helper.make_node("Sqrt", ["x"], ["not a norm"]),
    ]
    weights = [
        tensor("w8", rng.integers(0, 255, size=(4, 2, 3)).astype(np.uint8)),
        tensor("w zero", np.array(127, np.uint8)),
        tensor("w scale", np.array(0.01, np.float32)),
        tensor("bias", bias),
        tensor("shape", np.array([1, -1, 1])),
        tensor("time", np.array([2])),
        tensor("tiny", np.array(1e-5, np.float32)),
    ]
    inputs = [helper.make_tensor_value_info("x", FLOAT, [1, 2, "time"])]
    outputs = [helper.make_tensor_value_info("normal", FLOAT, [1, 4, "time"])]
    graph = helper.make_graph(nodes, "vocoder", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_norms_are_found_by_their_shape() -> None:
    assert find_norms(model().graph) == [("mean", "deviation")]


def test_the_dequantized_graph_computes_the_same_but_for_rounding() -> None:
    x = np.random.default_rng(1).normal(size=(1, 2, 50)).astype(np.float32)
    eight, float32 = (
        onnxruntime.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[
            0
        ]
        for part in (model(), dequantized(model()))
    )
    assert np.abs(eight - float32).max() < 0.05
    assert {node.op_type for node in dequantized(model()).graph.node}.isdisjoint({"ConvInteger", "Floor", "Cast"})


def layers(*values: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Two layers, of one channel and of two."""
    mean = [np.full((1, n, 1), value, np.float32) for n, value in zip((1, 2), values, strict=True)]
    return [(value, 1 + value / 2) for value in mean]


def test_norms_lie_on_the_line_through_the_measurements(tmp_path: Path) -> None:
    norms = Norms.fitted([0.1, 0.3, 0.2], [layers(1, 5), layers(3, 5), layers(2, 5)])
    save_norms(tmp_path / "norms.npz", {"ann": norms, "bob": norms})
    for found in (norms, *load_norms(tmp_path / "norms.npz").values()):
        (mean, deviation), (same, _) = found.at(0.25)
        assert mean == pytest.approx(2.5, abs=0.01)
        assert deviation == pytest.approx(2.25, abs=0.01)
        assert same.shape == (1, 2, 1)
        assert same == pytest.approx(5.0, abs=0.01)
    assert all((deviation > 0).all() for _, deviation in norms.at(-100))


def test_another_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(model().SerializeToString())
    with pytest.raises(UnknownGraph, match=r"other\.onnx has no tensor /decoder"):
        KokoroGraph(tmp_path / "other.onnx", threads=1)
