"""The bench of the large model with a small one on the CPU: whether it runs, and whether its graph says the same."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.gpu import gpu_first_packet
from bench.gpu.gpu_first_packet import SMALL_AUDIO, SMALL_TEXT, WAYS, measure, random_model
from bench.gpu.graphed_step import GraphedStep
from pipeline.decoders.torch_models.kv_reader import KvReader
from pipeline.decoders.torch_models.step_audio import StepAudioConfig, StepAudioModules

CPU = torch.device("cpu")
CONFIG = StepAudioConfig.of(SMALL_TEXT, SMALL_AUDIO)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_step_in_place_says_what_the_model_says() -> None:
    model = random_model(CONFIG, CPU)
    for parameter in model.decoder.parameters():
        parameter.data *= 5 if parameter.dim() > 1 else 1
    graphed = GraphedStep(model.decoder, capacity=64)
    for prompt in (range(20), range(7)):  # leftovers of a longer one must not be seen
        reader = KvReader(model.decoder)
        reader.read(list(prompt))
        graphed.take(reader.cache)
        for token in (5, 9, 200, 3):
            expected = reader.read([token])
            assert expected.std() > 0.05
            assert torch.allclose(graphed.step(token), expected, atol=1e-5)


def test_its_figures_follow_from_each_other() -> None:
    waited: list[float] = []
    result = measure(CONFIG, CPU, [1.0, 2.0], wait=waited.append)
    assert [(turn.turn_s, turn.way) for turn in result.turns] == [
        (length, way) for length in (1.0, 2.0) for way in WAYS
    ]
    for turn in result.turns:
        assert 0 < turn.encoded_ms < turn.read_ms <= turn.first_token_ms < turn.eight_tokens_ms
        assert turn.sound_tokens == pytest.approx(12.5 * turn.turn_s, abs=1)
    assert len(waited) == 4 + 3 * (4 + 8)
    assert all(0 < seconds <= 2 for seconds in waited)
    assert result.weights_gb == pytest.approx(result.parameters * 4 / 1e9)
    assert result.peak_gb is None


def test_the_peak_is_read_before_the_copies_take_room(monkeypatch: pytest.MonkeyPatch) -> None:
    room_gb = [1.0]

    def copies(device: torch.device) -> float:
        room_gb.append(9.0)
        return 1e9

    monkeypatch.setattr(gpu_first_packet, "_peak_gb", lambda device: max(room_gb))
    monkeypatch.setattr(gpu_first_packet, "_copies_bytes_s", copies)
    assert measure(CONFIG, CPU, [], wait=lambda seconds: None).peak_gb == 1.0
    assert len(room_gb) == 2


def test_the_published_size_takes_67_gb_in_bfloat16() -> None:
    model = StepAudioModules.empty(StepAudioConfig.of(), CPU)
    assert sum(parameter.numel() for parameter in model.parameters()) * 2 == pytest.approx(67e9, rel=0.01)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures.json"
    gpu_first_packet.main(["--small", "--seconds", "0.5", "--out", str(file)])
    assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="there is no GPU"):
        gpu_first_packet.main([])
