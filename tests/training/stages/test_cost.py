"""The cost of the full size follows from its counts and a GPU's figures."""

import pytest

from training.full_size.cost import COLD_START_TOKENS, Gpu, rollout_hours, training_hours
from training.full_size.dry_run import needs

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # from the trainers' own packages

WHOLE = needs(whole=True)


def test_learning_costs_eight_operations_a_parameter_and_token() -> None:
    gpu = Gpu(operations=1e15, trained_at=0.5)
    operations = training_hours(WHOLE, COLD_START_TOKENS, gpu) * 3600 * 0.5e15
    assert operations == pytest.approx(8 * WHOLE.parameters * COLD_START_TOKENS)
    assert training_hours(needs(whole=False), 1, gpu) == pytest.approx(0.75 * training_hours(WHOLE, 1, gpu), rel=0.01)


def test_more_answers_at_once_cost_less_each() -> None:
    one, many = rollout_hours(WHOLE, 1, Gpu(), 8), rollout_hours(WHOLE, 1000, Gpu(), 8)
    assert many < 100 * one


def test_weights_that_leave_no_room_for_an_answer_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 GPUs of 60 GB"):
        rollout_hours(WHOLE, 1, Gpu(memory=60e9), 1)
