"""What the tests need of the system is told in plain words where it can't be installed."""

import shutil
import subprocess
from pathlib import Path

SETUP = Path(__file__).with_name("setup.sh")


def test_a_machine_that_lacks_it_is_told_what_to_install(tmp_path: Path) -> None:
    for tool in ("bash", "sed"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    run = subprocess.run(["bash", SETUP], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "this machine lacks:\n  chromium\n  pulseaudio\n" in run.stderr
    assert "apt-get install chromium" in run.stderr


def test_a_machine_that_has_it_is_left_alone() -> None:
    run = subprocess.run([SETUP], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
