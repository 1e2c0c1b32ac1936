"""Starts a program in two processes of one core each, which gloo connects."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from training.full_size.dry_run import LAUNCH

ROOT = Path(__file__).parents[3]
_HERE = ("--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no")
"""What of a launch file is otherwise on two CPU cores."""
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc_per_node", "2")
FSDP = ("accelerate.commands.launch", "--config_file", str(LAUNCH / "eight_gpus_fsdp.yaml"), *_HERE)
DEEPSPEED = ("accelerate.commands.launch", "--config_file", str(LAUNCH / "four_nodes_deepspeed.yaml"), *_HERE)


def launched(launch: Sequence[str], program: str, *arguments: str, **environment: str) -> None:
    """Run the module `program` to its end by one of the launchers above; it has to succeed."""
    run = subprocess.run(
        [sys.executable, "-m", *launch, "-m", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )
    assert run.returncode == 0, run.stderr[-4000:]
