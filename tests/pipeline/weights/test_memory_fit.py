"""Which machines hold a model: by the GPU's memory, and by the machine's where the weights go through it."""

from pathlib import Path
from typing import Literal

import pytest
import torch

from pipeline.backends import DECODERS
from pipeline.decoders.torch_models.step_audio import TEXT
from pipeline.settings import AgentSettings, DecoderSettings, PipelineSettings
from pipeline.weights import memory_fit
from pipeline.weights.memory_fit import TooLarge, check_fits
from pipeline.weights.snapshots import SnapshotSource
from pipeline.weights.store import Model, ModelStore, known_models


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a GPU of 80 GB and 64 GB of memory of its own."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * 10**9, 80 * 10**9))
    monkeypatch.setattr(memory_fit, "system_memory", lambda: 64 * 10**9)


@pytest.mark.parametrize("name", ["step-audio-r1", f"step-audio-r1@{40 * 'a'}"])
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


def test_the_cache_of_a_conversation_is_counted() -> None:
    known = known_models()["step-audio-r1"]
    assert known.cached_per_token == 2 * TEXT["num_hidden_layers"] * TEXT["num_key_value_heads"] * 128
    check_fits("step-audio-r1", 39e9, "cuda")
    with pytest.raises(TooLarge, match="82 GB of the GPU's memory"):
        check_fits("step-audio-r1", 39e9, "cuda", known.cached_per_token * 8192)


@pytest.mark.parametrize("streams", [1, 2])
async def test_it_is_counted_for_the_context_and_the_streams_that_are_set(
    streams: Literal[1, 2], tmp_path: Path
) -> None:
    decoder = DecoderSettings(backend="torch", model="large", device="cpu", context_tokens=1000)
    settings = PipelineSettings(decoder=decoder, agent=AgentSettings(streams=streams))
    row = Model(
        "decoder", "", "", (), (SnapshotSource("snapshot", "me/large", 1),), parameters=1, cached_per_token=10**8
    )
    with pytest.raises(TooLarge, match=f"{400 * streams + 2:,} GB of memory on the CPU"):
        await DECODERS["torch"].open(settings, ModelStore(tmp_path, models={"large": row}))


def test_without_a_gpu_it_runs_in_float32() -> None:
    with pytest.raises(TooLarge, match="134 GB of memory on the CPU, in float32, and cpu has 64 GB"):
        check_fits("step-audio-r1", 33e9, "cpu")
