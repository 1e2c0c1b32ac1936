"""CPU sessions of onnxruntime with a fixed number of threads; by default every model would take all cores."""

from pathlib import Path

from onnxruntime import InferenceSession, SessionOptions


def cpu_session(model: Path | bytes, threads: int = 1, options: SessionOptions | None = None) -> InferenceSession:
    """Open `model` (an ONNX file or its bytes) on `threads` threads, including the caller's.

    `options`: further settings, modified in place; None for onnxruntime's defaults. Raises onnxruntime's own errors if
    the file is not a model.
    """
    options = options or SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return InferenceSession(model, options, providers=["CPUExecutionProvider"])
