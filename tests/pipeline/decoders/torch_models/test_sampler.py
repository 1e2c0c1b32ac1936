import pytest
import torch

from pipeline.decoders.decoder import Sampling
from pipeline.decoders.torch_models.sampler import Sampler

LOGITS = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05]).log()
CPU = torch.device("cpu")


def drawn(count: int, **options: float) -> list[int]:
    sampling = Sampling(**{"temperature": 1.0, "top_p": 1.0, "max_tokens": 1, "seed": 1} | options)  # type: ignore[arg-type]
    sampler = Sampler(sampling, CPU)
    return [sampler.draw(LOGITS) for _ in range(count)]


def test_at_no_temperature_the_likeliest_is_taken() -> None:
    assert drawn(20, temperature=0) == [0] * 20


def test_a_seed_makes_it_the_same_again() -> None:
    assert drawn(50, seed=3) == drawn(50, seed=3)
    assert drawn(50, seed=3) != drawn(50, seed=4)


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    counts = torch.bincount(torch.tensor(drawn(4000)), minlength=5) / 4000
    assert (counts - LOGITS.exp()).abs().max() < 0.03


@pytest.mark.parametrize(
    ("top_p", "allowed"),
    [(0.01, {0}), (0.5, {0}), (0.51, {0, 1}), (0.71, {0, 1, 2}), (0.96, {0, 1, 2, 3, 4}), (1.0, {0, 1, 2, 3, 4})],
)
def test_only_the_likeliest_that_together_have_the_probability(top_p: float, allowed: set[int]) -> None:
    assert set(drawn(600, top_p=top_p)) == allowed


def test_a_low_temperature_sharpens() -> None:
    assert drawn(200, temperature=0.3).count(0) > drawn(200).count(0)
