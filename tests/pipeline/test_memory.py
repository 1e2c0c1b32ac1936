"""Which machines hold a model: by the GPU's memory, and by the machine's where the weights go through it."""

import pytest
import torch

from pipeline import memory
from pipeline.memory import TooLarge, check_fits


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a GPU of 80 GB and 64 GB of memory of its own."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * 10**9, 80 * 10**9))
    monkeypatch.setattr(memory, "system_memory", lambda: 64 * 10**9)


@pytest.mark.parametrize("name", ["step-audio-r1", "step-audio-r1@0123abcd"])
def test_what_is_read_straight_onto_the_gpu_needs_no_room_beside_it(name: str) -> None:
    check_fits(name, 33e9, "cuda:0")


def test_what_goes_through_memory_needs_room_there() -> None:
    check_fits("other", 31e9, "cuda")
    with pytest.raises(TooLarge, match="66 GB of memory on its way to the GPU, and cuda has 64 GB"):
        check_fits("other", 33e9, "cuda")


@pytest.mark.parametrize("name", ["step-audio-r1", "other"])
def test_what_the_gpu_can_not_hold_is_refused(name: str) -> None:
    with pytest.raises(TooLarge, match="82 GB of the GPU's memory, in bfloat16, and cuda has 80 GB"):
        check_fits(name, 40e9, "cuda")


def test_without_a_gpu_it_runs_in_float32() -> None:
    with pytest.raises(TooLarge, match="134 GB of memory on the CPU, in float32, and cpu has 64 GB"):
        check_fits("step-audio-r1", 33e9, "cpu")
