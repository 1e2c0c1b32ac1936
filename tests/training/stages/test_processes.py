"""The recipe in two processes, as on several GPUs: they share the work, and spread weights become whole again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.stages.tiny_model import STAGES
from training.full_size.dry_run import LAUNCH
from training.model.checkpoint import is_complete
from training.recipe import TINY

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of the trainers' own packages

ROOT = Path(__file__).parents[3]
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc_per_node", "2")
HERE = ("--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no")
"""What of a launch file is otherwise on two CPU cores."""


def run_in_two(folder: Path, launch: Sequence[str], **environment: str) -> Path:
    """Run `recipe_in_processes` in two processes of one core each, which gloo connects; returns the recipe's folder."""
    program = ("-m", "tests.training.stages.recipe_in_processes", str(folder / "run"))
    run = subprocess.run(
        [sys.executable, "-m", *launch, *program],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )
    assert run.returncode == 0, run.stderr[-4000:]
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
    launch = ("accelerate.commands.launch", "--config_file", str(LAUNCH / "eight_gpus_fsdp.yaml"), *HERE)
    assert_learned_the_same(run_in_two(tmp_path, launch), replicated, "FSDP")


def test_weights_that_deepspeed_spreads_are_whole_again(replicated: Path, tmp_path: Path) -> None:
    shutil.copytree(replicated / STAGES[0], tmp_path / "run" / STAGES[0])  # its third stage can't train the encoder
    launch = ("accelerate.commands.launch", "--config_file", str(LAUNCH / "four_nodes_deepspeed.yaml"), *HERE)
    assert_learned_the_same(run_in_two(tmp_path, launch, DS_ACCELERATOR="cpu"), replicated, "DEEPSPEED")


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
