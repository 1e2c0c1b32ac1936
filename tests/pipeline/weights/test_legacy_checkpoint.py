"""Checkpoints that PyTorch itself writes, in the form before 1.6."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.weights.legacy_checkpoint import read_checkpoint


def saved(content: object, path: Path) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_it_reads_what_pytorch_reads(tmp_path: Path) -> None:
    whole = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    content = {"step": 7, "state": {"a": whole, "b": whole.T, "c": whole[1:, 2], "d": torch.tensor([1, 2])}}
    read = read_checkpoint(saved(content, tmp_path / "a.pt"))
    assert read["step"] == 7
    for name, tensor in content["state"].items():  # type: ignore[attr-defined]
        np.testing.assert_array_equal(read["state"][name], tensor.numpy())


def test_nothing_that_a_file_names_is_called(tmp_path: Path) -> None:
    with pytest.raises(pickle.UnpicklingError, match="PosixPath has no place"):
        read_checkpoint(saved({"path": Path("/")}, tmp_path / "a.pt"))
