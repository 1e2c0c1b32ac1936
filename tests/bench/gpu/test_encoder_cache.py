"""What the encoders of sound leave to do when a turn ends, on small ones."""

import pytest
import torch

from bench.gpu.encoder_cache import Family, NoGpu, UnknownFamily, Work, measure, speech_like
from bench.gpu.towers import FAMILIES


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_measured(name: str) -> None:
    report = measure([name], ["small"], layers=1, longest_s=5)
    [family] = report.families
    assert [work.turn_s for work in family.at_once] == [2.0, 5.0]
    assert [work.turn_s for work in family.incremental] == pytest.approx([2.5, 4.75], abs=0.01)
    assert all(work.left_ms > 0 for work in (*family.incremental, *family.at_once))
    assert (family.layers, family.of_layers) == (1, 12 if name == "gemma" else 24 if name == "qwen3-asr" else 32)


def test_the_ratio_is_that_of_the_median_to_30_seconds_at_once() -> None:
    works = [Work(seconds, left) for seconds, left in ((10.0, 5.0), (20.0, 4.0), (30.0, 6.0), (40.0, 5.0))]
    found = Family("any", "small", 1, 32, works, [Work(2.0, 10.0), Work(30.0, 100.0)]).summary()
    assert found["less_work_at_30_s"] == 20
    assert found["slope_ms_per_s"] == pytest.approx(0.02)
    assert found["slope_error_ms_per_s"] == pytest.approx(0.0424, abs=1e-3)


def test_the_sound_is_loudest_where_it_begins() -> None:
    pcm = abs(speech_like(20))
    assert pcm[:8000].max() > 2 * pcm[8000:].max()


@pytest.mark.parametrize(("names", "sizes"), [(["whisper"], ["small"]), (["gemma"], ["huge"])])
def test_what_there_is_not_is_refused(names: list[str], sizes: list[str]) -> None:
    with pytest.raises(UnknownFamily, match="there are"):
        measure(names, sizes, layers=1, longest_s=5)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NoGpu, match="--device cpu"):
        measure(["gemma"], ["small"], layers=1, longest_s=5, device="cuda")
