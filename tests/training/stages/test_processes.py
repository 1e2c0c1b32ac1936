"""The recipe in two processes, as on several GPUs: they share the work, and spread weights become whole again."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.stages.launching import DEEPSPEED, FSDP, TORCHRUN, launched
from tests.training.stages.tiny_model import STAGES
from training.model.checkpoint import is_complete
from training.recipe import TINY

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of the trainers' own packages


def run_in_two(folder: Path, launch: Sequence[str], **environment: str) -> Path:
    """Run `recipe_in_processes` in two processes; returns the recipe's folder."""
    launched(launch, "tests.training.stages.recipe_in_processes", str(folder / "run"), **environment)
    for stage in STAGES[1:]:
        answers = (folder / "run" / stage / "answers.jsonl").read_text().splitlines()
        assert len(answers) == TINY.tested + TINY.tested // 9
        assert is_complete(folder / "run" / stage)
    return folder / "run"


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe in two processes that have all weights each."""
    return run_in_two(tmp_path_factory.mktemp("replicated"), TORCHRUN, ACCELERATE_USE_CPU="true")


def test_two_processes_share_the_work_and_one_writes(replicated: Path) -> None:
    first, second = (replicated.with_name(f"told-{rank}").read_text().splitlines() for rank in (0, 1))
    assert second == ["last None", f"last {replicated / STAGES[-1]}"]
    assert first == [STAGES[0], second[0], *STAGES[1:], second[1]], "one process reports"


def test_weights_that_fsdp_spreads_are_whole_again(replicated: Path, tmp_path: Path) -> None:
    assert_learned_the_same(run_in_two(tmp_path, FSDP), replicated, "FSDP")


def test_weights_that_deepspeed_spreads_are_whole_again(replicated: Path, tmp_path: Path) -> None:
    shutil.copytree(replicated / STAGES[0], tmp_path / "run" / STAGES[0])  # its third stage can't train the encoder
    assert_learned_the_same(run_in_two(tmp_path, DEEPSPEED, DS_ACCELERATOR="cpu"), replicated, "DEEPSPEED")


def assert_learned_the_same(spread: Path, replicated: Path, by: str) -> None:
    """Both processes have all weights, and these are what is learned where each has all of them all the time."""
    assert [spread.with_name(f"spread-{rank}").read_text() for rank in (0, 1)] == [by, by]
    before = load_file(replicated / "1-cold-start" / "model.safetensors")["lm_head.weight"]
    for name in ("learned-False", "learned-True"):
        one, other = (load_file(spread.with_name(f"{name}-{rank}")) for rank in (0, 1))
        expected = load_file(replicated.with_name(f"{name}-0"))
        torch.testing.assert_close(one, other, rtol=0, atol=0)
        torch.testing.assert_close(one, expected, rtol=0, atol=1e-6)
        assert float((one["lm_head.weight"] - before).abs().max()) > 1e-3
