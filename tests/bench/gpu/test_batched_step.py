"""The bench of tokens written together, with a small model: whether it runs, and what it counts."""

from collections.abc import Iterator

import pytest
import torch

from bench.gpu import batched_step
from bench.gpu.batched_step import SIZES, Cost, measure, random_model, table


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_both_ways_write_as_many_tokens() -> None:
    model = random_model(SIZES["small"], torch.device("cpu"))
    passes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(
        lambda model, args, kwargs: passes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    costs = measure(model, [1, 3], context=40, tokens=5)
    assert [cost.conversations for cost in costs] == [1, 3]
    assert all(cost.in_turn_ms > 0 and cost.together_ms > 0 for cost in costs)
    written = [(1, 1), (1, 1), (1, 1), (3, 1)] * 5
    assert passes[0] == (1, 40)
    assert passes[-len(written) :] == written


def test_the_table_has_a_row_for_each_number_of_conversations() -> None:
    made = table([Cost(1, 100, 100), Cost(4, 400, 200)])
    assert [list(column.cells)[1] for column in made.columns] == [
        "4", "400 ms", "2.5/s", "200 ms", "5.0/s", "20.0/s", "2.0",
    ]  # fmt: skip


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    batched_step.main(["--size", "small", "--conversations", "2", "--context", "20", "--tokens", "3"])
    assert "together" in capsys.readouterr().out
