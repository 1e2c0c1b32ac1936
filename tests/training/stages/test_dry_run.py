"""What the full size needs is counted on its own modules, and its launch files are those that accelerate reads."""

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from training.full_size.dry_run import LAUNCH, SEQUENCE, needs

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of the trainers' own packages

FILES = sorted(LAUNCH.glob("*.yaml"))


def test_the_model_of_full_size_is_counted_without_a_weight_in_memory() -> None:
    adapters, whole = needs(whole=False), needs(whole=True)
    assert adapters.parameters == whole.parameters == pytest.approx(33e9, rel=0.05)
    assert adapters.trained < 0.05 * whole.trained
    assert adapters.cached_per_answer == 2 * 64 * 8 * 128 * 2 * SEQUENCE
    assert adapters.per_gpu_writing(8) == (2 * adapters.parameters + 16 * adapters.cached_per_answer) // 8
    assert adapters.per_gpu(8) + adapters.per_gpu_writing(8) < 80e9, "vLLM has room on the GPUs of the training"
    assert adapters.per_gpu(8) < 80e9 < whole.per_gpu(8), "eight GPUs hold adapters, and not all moments"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_launch_files_are_read_as_accelerate_does(file: object) -> None:
    config = load_config_from_file(str(file))
    assert config.num_processes % config.num_machines == 0
    assert config.mixed_precision == "bf16"
