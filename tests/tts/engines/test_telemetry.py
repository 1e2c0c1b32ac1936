"""onnxruntime reports to nobody: what it would send it writes into the user's cache first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OPEN = """
from {module} import {name}
from onnx import TensorProto, helper
from tts.engines.onnx_session import cpu_session

value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
cpu_session(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString())
"""


@pytest.mark.parametrize(
    ("module", "name"), [("pipeline.listening.vad", "SileroVad"), ("tts.engines.onnx_session", "cpu_session")]
)
def test_a_model_that_is_opened_is_reported_to_nobody(module: str, name: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    script = OPEN.format(module=module, name=name)
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
